"""Attribute values as the pipeline may keep them: exact scalars, or bounded copies of sequences and mappings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from otel_distro.guard import rendered

SCALARS = frozenset({str, bool, int, float, bytes, type(None)})
"""Exact types that cross threads as they are; a subclass (an enum member, a lazy string) does not."""

_BASES: tuple[Any, ...] = (str, int, float, bytes)
"""Whose subclasses become exact; bool and None have none."""

_MAX_DEPTH = 6
_MAX_ITEMS = 1024
_MAX_TEXT = 32768


def clean(value: Any, limit: int | None = None, depth: int = 0) -> Any:
    """A copy that no later change reaches; strings cut at `limit`, other objects as text, cycles and depth cut off."""
    kind = type(value)
    if kind is str:
        return value if limit is None else value[:limit]
    if kind in SCALARS:
        return value
    for scalar in _BASES:
        if isinstance(value, scalar):
            return clean(scalar(value), limit)
    if depth >= _MAX_DEPTH:
        return _text(value, limit)
    if isinstance(value, Mapping):
        pairs = list(value.items())[:_MAX_ITEMS]
        return {_text(k, None): clean(v, limit, depth + 1) for k, v in pairs if k}
    if isinstance(value, (Sequence, AbstractSet)):
        return tuple(clean(item, limit, depth + 1) for item in list(value)[:_MAX_ITEMS])
    return _text(value, limit)


def _text(value: object, limit: int | None) -> str:
    text = rendered(lambda: str(value))
    return text[: _MAX_TEXT if limit is None else limit]
