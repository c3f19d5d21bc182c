"""A batch while it is open: encoded items by their scope, as fields of its message. The extension's twin."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from otel_distro.exporter.wire import varint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Groups = dict[Any, bytearray]
    Encode = Callable[[Any], bytes]
    Add = Callable[[Groups, Iterable[Any], Encode], None]

_KEY_OF_SPAN = attrgetter("tracer")
_KEY_OF_LOG = attrgetter("scope")
"""By what items are grouped: an object that knows the scope or is its name. Hashing a scope itself is slow."""


def add_spans(groups: Groups, spans: Iterable[Any], encode: Encode) -> None:
    """Encode each span into the group of its tracer; the first that fails raises, and was taken."""
    _add(groups, spans, encode, _KEY_OF_SPAN)


def add_logs(groups: Groups, records: Iterable[Any], encode: Encode) -> None:
    """Encode each record into the group of its scope's name; the first that fails raises, and was taken."""
    _add(groups, records, encode, _KEY_OF_LOG)


def _add(groups: Groups, items: Iterable[Any], encode: Encode, key_of: Callable[[Any], Any]) -> None:
    for item in items:
        encoded = encode(item)
        key = key_of(item)
        group = groups.get(key)
        if group is None:
            group = groups[key] = bytearray()
        group += b"\x12" + varint(len(encoded)) + encoded
