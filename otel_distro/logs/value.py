"""Values of the app as a log record may carry them: exact scalars, flat copies of them, or bounded text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from otel_distro.guard import rendered
from otel_distro.semconv.attributes import LOG_FIELDS, WORK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_distro.record import Scalar, Value

MAX_BODY = 32768
MAX_TEXT = 8192
MAX_KEY = 256
MAX_COUNT = 64
PREFIX = "extra_"
"""Put before the name of an app's value that is also the name of one of our fields."""

IDS = ("trace_id", "span_id")
RESERVED = {field.key for field in LOG_FIELDS} - {field.key for field in WORK} - {*IDS}
"""Ours on each record; names of ids and of the work in hand are taken when there are any (`yield_names`)."""
_AS_IS = frozenset({bool, float, type(None)})
_SCALARS = frozenset({str, bool, int, float, bytes})
_TEXTS = frozenset({dict, list, tuple, set, frozenset, int, UUID, Decimal, datetime})
"""Types known to become text; others are looked at more closely."""
_INT64 = 2**63
_MAX_NAMES = 1024
_MAX_NODES = 512
_MAX_DEPTH = 6
_CUT = "…"


def cut(text: str, limit: int) -> str:
    """The text, or its beginning and an ellipsis when it is longer than the limit."""
    return text if len(text) <= limit else text[: limit - 1] + _CUT


def plain(value: Any) -> Value | None:
    """The value itself when it is an exact scalar, a tuple of exact scalars, or text; None stays None."""
    kind = type(value)
    if kind is str:
        return cut(value, MAX_TEXT)
    if kind in _AS_IS or (kind is int and -_INT64 <= value < _INT64):
        return cast("Value | None", value)
    if kind is bytes:
        return cast("bytes", value[:MAX_TEXT])
    if kind is list or kind is tuple:
        items = tuple(value[:MAX_COUNT])
        if all(type(item) in _SCALARS for item in items):
            return tuple(cast("Scalar", plain(item)) for item in items)
    return cut(rendered(lambda: _text(value)), MAX_TEXT) if kind in _TEXTS else _narrowed(value, kind)


class Names(dict[object, str]):
    """Under which name a record carries the app's value of a name; empty: not at all. Found once for each.

    Names of ours get a prefix. What is in `skip`, or begins with an underscore when it is given, is a library's own.
    """

    __slots__ = ("_skip",)

    def __init__(self, skip: AbstractSet[object] | None = None) -> None:
        super().__init__()
        self._skip = skip

    def __missing__(self, key: object) -> str:
        """Called by `names[key]` for a key that was not asked for before."""
        name = key if type(key) is str else rendered(partial(str, key))
        if self._skip is not None and (key in self._skip or name[:1] == "_"):
            name = ""
        elif name in RESERVED:
            name = PREFIX + name
        name = name[:MAX_KEY]
        if type(key) is str and len(self) < _MAX_NAMES:
            self[key] = name
        return name


_ALL = Names()


def add(attributes: dict[str, Value], extras: Iterable[tuple[object, object]], names: Names = _ALL) -> None:
    """Add the app's values under their names, at most 64; None is left out."""
    most = MAX_COUNT
    for key, value in extras:
        name = names[key]
        if not name:
            continue
        if not most:
            return
        most -= 1
        kind = type(value)
        if kind is str:
            attributes[name] = value if len(value) <= MAX_TEXT else cut(value, MAX_TEXT)  # type: ignore[arg-type, assignment]
        elif kind is int and -_INT64 <= value < _INT64:  # type: ignore[operator]
            attributes[name] = value  # type: ignore[assignment]
        else:
            kept = plain(value)
            if kept is not None:
                attributes[name] = kept


def yield_names(attributes: dict[str, Value], ours: Mapping[str, Value]) -> None:
    """Rename what the app calls like fields that this record has, unless it says the same."""
    for key in ours.keys() & attributes.keys():
        value = attributes.pop(key)
        if value != ours[key]:
            attributes[PREFIX + key] = value


def _narrowed(value: Any, kind: type) -> Value | None:
    """A scalar of a subclass as the exact scalar it stands for, without its own code; all else as text."""
    if issubclass(kind, str):
        return cut(str.__str__(value), MAX_TEXT)
    if issubclass(kind, float):
        return float.__float__(value)
    if issubclass(kind, int):
        return plain(int.__int__(value))
    return cut(rendered(lambda: _text(value)), MAX_TEXT)


def _text(value: Any) -> str:
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value[:MAX_TEXT]).decode("utf-8", "backslashreplace")
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, (Mapping, AbstractSet, list, tuple)):
        return json.dumps(_Copy().of(value, 0), ensure_ascii=False, default=str)
    return repr(value) if isinstance(value, BaseException) else str(value)


class _Copy:
    """Copies nested containers, bounded in depth and in the number of nodes, so that cycles end."""

    def __init__(self) -> None:
        self._left = _MAX_NODES

    def of(self, value: object, depth: int) -> object:
        self._left -= 1
        if self._left < 0 or depth > _MAX_DEPTH:
            return _CUT
        if value is None or type(value) in _SCALARS:
            return self._scalar(value)
        if isinstance(value, Mapping):
            pairs = islice(value.items(), MAX_COUNT)
            return {cut(str(key), MAX_KEY): self.of(item, depth + 1) for key, item in pairs}
        if isinstance(value, (AbstractSet, Sequence)) and not isinstance(value, (str, bytes, bytearray)):
            return [self.of(item, depth + 1) for item in islice(value, MAX_COUNT)]
        return cut(rendered(lambda: str(value)), MAX_TEXT)

    @staticmethod
    def _scalar(value: object) -> object:
        if isinstance(value, bytes):
            return value[:MAX_TEXT].decode("utf-8", "backslashreplace")
        return cut(value, MAX_TEXT) if isinstance(value, str) else value
