"""Log records to OTLP protobuf (opentelemetry/proto/logs/v1/logs.proto)."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

from otel_distro.exporter.wire import AttributeFields, field, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_distro.record import LogRecord

# time_unix_nano 1, observed_time_unix_nano 11 | trace_id 9, span_id 10 | flags 8
_TIMES = Struct("<BQBQ").pack
_IDS = Struct(">BB16sBB8s").pack
_FLAGS = Struct("<BI").pack
_severities: dict[tuple[int, str], bytes] = {}
_MAX_CACHED = 1024


def encode_log(record: LogRecord) -> bytes:
    """The body of one `LogRecord`."""
    time = record.time_unix_nano
    out = _TIMES(0x09, time, 0x59, time) + _severity(record.severity_number, record.severity_text)
    out += field(b"\x2a", field(b"\x0a", text(record.body)))
    out += _fields_of(record.fields) + _attributes(record.attributes)
    if record.trace_id:
        out += _IDS(0x4A, 16, record.trace_id.to_bytes(16, "big"), 0x52, 8, record.span_id.to_bytes(8, "big"))
        out += _FLAGS(0x45, record.trace_flags)
    if record.event_name:
        out += field(b"\x62", text(record.event_name))
    return out


class _Fields:
    """The fields of the work in hand are one object for all its lines: those of the last line are kept encoded."""

    __slots__ = ("_encoded", "_last")

    def __init__(self) -> None:
        self._last: Mapping[str, Any] | None = None
        self._encoded = b""

    def __call__(self, fields: Mapping[str, Any] | None) -> bytes:
        if fields is not self._last:
            self._last, self._encoded = fields, _attributes(fields)
        return self._encoded


_attributes = AttributeFields(b"\x32")
_fields_of = _Fields()


def _severity(number: int, name: str) -> bytes:
    found = _severities.get((number, name))
    if found is None:
        if len(_severities) >= _MAX_CACHED:
            _severities.clear()
        found = _severities[number, name] = b"\x10" + bytes((number,)) + field(b"\x1a", text(name))
    return found
