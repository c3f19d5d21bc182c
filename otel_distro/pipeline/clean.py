"""Attribute values as the pipeline may keep them: exact scalars, or bounded copies of sequences and mappings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import TYPE_CHECKING, Any

from otel_distro.guard import guard, rendered

if TYPE_CHECKING:
    from collections.abc import Callable

SCALARS = frozenset({str, bool, int, float, bytes, type(None)})
"""Exact types that cross threads as they are; a subclass (an enum member, a lazy string) does not."""

_BASES: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (bytes, lambda value: bytes(memoryview(value))),
)
"""Whose subclasses become exact, and how, without asking the subclass; bool and None have none."""

_MAX_DEPTH = 6
_MAX_ITEMS = 1024
"""Of one value, at all its levels together."""
_MAX_TEXT = 32768
_CUT = "…"


def clean(value: Any, limit: int | None = None) -> Any:
    """A copy that no later change reaches; strings cut at `limit`, other objects as text, cycles and depth cut off."""
    kind = type(value)
    if kind is str:
        return value if limit is None else value[:limit]
    if kind in SCALARS:
        return value
    copy: Any = None
    with guard("attribute.copy"):  # a mapping or sequence of the app's own may fail at anything
        copy = _Copy(limit).of(value, 0)
    return _text(value, limit) if copy is None else copy


class _Copy:
    """Copies one value, counting what it copied."""

    __slots__ = ("_left", "_limit")

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._left = _MAX_ITEMS

    def of(self, value: Any, depth: int) -> Any:
        self._left -= 1
        kind = type(value)
        if kind in SCALARS:
            return value[: self._limit] if kind is str else value
        for base, exact in _BASES:
            if isinstance(value, base):
                made = exact(value)
                return made[: self._limit] if base is str else made
        if not isinstance(value, (Mapping, Sequence, AbstractSet)):
            return _text(value, self._limit)
        if depth >= _MAX_DEPTH:
            return _CUT
        return self._mapping(value, depth) if isinstance(value, Mapping) else self._sequence(value, depth)

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        out = {}
        for key, item in value.items():
            if self._left <= 0:
                break
            name = _text(key, None)
            if key is not None and name:
                out[name] = self.of(item, depth + 1)
        return out

    def _sequence(self, value: Any, depth: int) -> tuple[Any, ...]:
        out = []
        for item in islice(value, _MAX_ITEMS):
            if self._left <= 0:
                break
            out.append(self.of(item, depth + 1))
        return tuple(out)


def _text(value: object, limit: int | None) -> str:
    text = rendered(lambda: str(value))
    return str.__str__(text)[: _MAX_TEXT if limit is None else limit]
