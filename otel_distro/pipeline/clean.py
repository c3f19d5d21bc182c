"""Attribute values as the pipeline may keep them: exact scalars, or bounded copies of sequences and mappings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import TYPE_CHECKING, Any

from otel_distro.guard import rendered

if TYPE_CHECKING:
    from collections.abc import Iterable

SCALARS = frozenset({str, bool, int, float, bytes, type(None)})
"""Exact types that cross threads as they are; a subclass (an enum member, a lazy string) does not."""

_BASES: tuple[Any, ...] = (str, int, float, bytes)
"""Whose subclasses become exact; bool and None have none."""

_MAX_DEPTH = 8
_MAX_NODES = 4096
_MAX_TEXT = 32768
_CUT = "…"


def clean(value: Any, limit: int | None = None) -> Any:
    """A copy that no later change reaches: strings cut at `limit`, other objects as text, at most 4,096 values in all."""
    kind = type(value)
    if kind is str:
        return value if limit is None else value[:limit]
    if kind in SCALARS:
        return value
    return _Copy(limit).of(value, 0)


class _Copy:
    """Copies one value; the budget of nodes ends cycles, and structures that share their parts a thousand times."""

    __slots__ = ("_left", "_limit")

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._left = _MAX_NODES

    def of(self, value: Any, depth: int) -> Any:
        """The copy of one part."""
        self._left -= 1
        if self._left < 0 or depth > _MAX_DEPTH:
            return _CUT
        if type(value) in SCALARS:
            return clean(value, self._limit)
        for scalar in _BASES:
            if isinstance(value, scalar):
                return clean(scalar(value), self._limit)
        if isinstance(value, Mapping):
            return {self._text(k): self.of(v, depth + 1) for k, v in self._some(value.items()) if k}
        if isinstance(value, (Sequence, AbstractSet)):
            return tuple(self.of(item, depth + 1) for item in self._some(value))
        return self._text(value)

    def _some(self, items: Iterable[Any]) -> list[Any]:
        return list(islice(items, max(0, self._left)))

    def _text(self, value: object) -> str:
        text = rendered(lambda: str(value))
        return text[: _MAX_TEXT if self._limit is None else self._limit]
