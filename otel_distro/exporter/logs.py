"""Log records to OTLP protobuf (opentelemetry/proto/logs/v1/logs.proto)."""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, Any

from otel_distro.exporter.wire import SMALL, attributes, field, text, varint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_distro.record import LogRecord

# time_unix_nano 1, observed_time_unix_nano 11 | trace_id 9, span_id 10, flags 8: tags and lengths with their values
_TIMES = Struct("<BQBQ").pack
_CONTEXT = Struct("<H16sH8sBI").pack
_SHORT = 124
"""Bytes of a body whose lengths are one byte each."""
_severities: dict[tuple[int, str], bytes] = {}
_MAX_CACHED = 1024
_MAX_FIELDS = 64


def encode_log(record: LogRecord) -> bytes:
    """The body of one `LogRecord`."""
    time = record.time_unix_nano
    body = record.body.encode("utf-8", "replace")
    size = len(body)
    parts = [
        _TIMES(0x09, time, 0x59, time),
        _severities.get((record.severity_number, record.severity_text)) or _severity(record),
        b"\x2a" + SMALL[size + 2] + b"\x0a" + SMALL[size] if size < _SHORT else _long(size),
        body,
        _fields_of(record.fields),
        attributes(b"\x32", record.attributes),
    ]
    if record.trace_id:
        trace_id, span_id = record.trace_id.to_bytes(16, "big"), record.span_id.to_bytes(8, "big")
        parts.append(_CONTEXT(0x104A, trace_id, 0x0852, span_id, 0x45, record.trace_flags))
    if record.event_name:
        parts.append(_event_name(record.event_name))
    return b"".join(parts)


def _long(size: int) -> bytes:
    inner = b"\x0a" + varint(size)
    return b"\x2a" + varint(len(inner) + size) + inner


class _Fields:
    """The fields of the work in hand are one object for its lines: those of the requests in hand are kept encoded."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Mapping[str, Any], bytes]] = {}

    def __call__(self, fields: Mapping[str, Any] | None) -> bytes:
        if not fields:
            return b""
        known = self._kept.get(id(fields))
        if known is None:
            if len(self._kept) >= _MAX_FIELDS:
                self._kept.clear()
            known = self._kept[id(fields)] = (fields, attributes(b"\x32", fields))  # kept, so that the id stays its own
        return known[1]


_fields_of = _Fields()


@lru_cache(maxsize=64)
def _event_name(name: str) -> bytes:
    return field(b"\x62", text(name))


def _severity(record: LogRecord) -> bytes:
    number, name = record.severity_number, record.severity_text
    if len(_severities) >= _MAX_CACHED:
        _severities.clear()
    found = _severities[number, name] = b"\x10" + varint(number) + field(b"\x1a", text(name))
    return found
