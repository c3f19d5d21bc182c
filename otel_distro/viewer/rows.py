"""Export requests become flat rows: what the store writes, and nothing the receiver must keep alive."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_VALUE_CHARACTERS = 32 * 1024
MAX_INTEGER = 2**63 - 1
TRACE_ID_BYTES = 16
SPAN_ID_BYTES = 8
REQUEST_ID_KEYS = ("request_id", "request.id")


class Resource(NamedTuple):
    """What produced the telemetry."""

    service: str
    attributes: str


class Scope(NamedTuple):
    """The instrumentation scope; for a log record, its logger."""

    name: str
    version: str
    attributes: str


class SpanRow(NamedTuple):
    """One span, in the order of the table's columns after resource and scope."""

    resource: Resource
    scope: Scope
    trace_id: bytes
    span_id: bytes
    parent_id: bytes | None
    start_ns: int
    end_ns: int
    name: str
    kind: int
    status: int
    status_message: str
    request_id: str | None
    attributes: str
    events: str
    links: str


class LogRow(NamedTuple):
    """One log record, in the order of the table's columns after resource and scope."""

    resource: Resource
    scope: Scope
    time_ns: int
    severity: int
    severity_text: str
    body: str
    event_name: str
    trace_id: bytes | None
    span_id: bytes | None
    request_id: str | None
    attributes: str


@dataclass
class Batch:
    """The rows of one export request."""

    spans: list[SpanRow] = field(default_factory=list)
    logs: list[LogRow] = field(default_factory=list)
    points: list[Any] = field(default_factory=list)
    rejected: int = 0


def spans(request: Any) -> Batch:
    """Flatten an ExportTraceServiceRequest; spans without valid ids are rejected."""
    batch = Batch()
    for group in request.resource_spans:
        resource = resource_of(group.resource)
        for scoped in group.scope_spans:
            scope = scope_of(scoped.scope)
            for span in scoped.spans:
                if valid_id(span.trace_id, TRACE_ID_BYTES) and valid_id(span.span_id, SPAN_ID_BYTES):
                    batch.spans.append(_span(resource, scope, span))
                else:
                    batch.rejected += 1
    return batch


def logs(request: Any) -> Batch:
    """Flatten an ExportLogsServiceRequest; a log record may lack ids."""
    batch = Batch()
    for group in request.resource_logs:
        resource = resource_of(group.resource)
        for scoped in group.scope_logs:
            scope = scope_of(scoped.scope)
            batch.logs.extend(_log(resource, scope, record) for record in scoped.log_records)
    return batch


def resource_of(resource: Any) -> Resource:
    """Return the resource with its service name."""
    values = attributes_of(resource.attributes)
    return Resource(str(values.get("service.name", "unknown_service")), as_json(values))


def scope_of(scope: Any) -> Scope:
    """Return the instrumentation scope."""
    return Scope(scope.name, scope.version, as_json(attributes_of(scope.attributes)))


def valid_id(value: bytes, size: int) -> bool:
    """Tell whether an id has its length and is not all zero."""
    return len(value) == size and any(value)


def integer(value: int) -> int:
    """Return a 64-bit value that SQLite can hold."""
    return min(value, MAX_INTEGER)


def as_json(value: Any) -> str:
    """Return compact JSON with sorted keys, so that equal attribute sets are equal text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def attributes_of(pairs: Iterable[Any]) -> dict[str, Any]:
    """Return OTLP key-values as a dict."""
    return {pair.key: plain(pair.value) for pair in pairs}


def plain(value: Any) -> Any:
    """Return an OTLP AnyValue as JSON-able Python, long text cut."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    content = getattr(value, kind)
    convert = _CONVERT.get(kind)
    return content if convert is None else convert(content)


def number(value: float) -> float | str:
    """Return a double; NaN and infinities as text, for JSON has none."""
    return value if math.isfinite(value) else str(value)


_CONVERT: dict[str, Callable[[Any], Any]] = {
    "string_value": lambda text: text[:MAX_VALUE_CHARACTERS],
    "bytes_value": lambda content: base64.b64encode(content).decode()[:MAX_VALUE_CHARACTERS],
    "double_value": number,
    "array_value": lambda array: [plain(item) for item in array.values],
    "kvlist_value": lambda pairs: attributes_of(pairs.values),
}


def _span(resource: Resource, scope: Scope, span: Any) -> SpanRow:
    values = attributes_of(span.attributes)
    events = [
        {
            "time_ns": integer(event.time_unix_nano),
            "name": event.name,
            "attributes": attributes_of(event.attributes),
        }
        for event in span.events
    ]
    links = [
        {
            "trace_id": link.trace_id.hex(),
            "span_id": link.span_id.hex(),
            "attributes": attributes_of(link.attributes),
        }
        for link in span.links
    ]
    return SpanRow(
        resource,
        scope,
        span.trace_id,
        span.span_id,
        span.parent_span_id if valid_id(span.parent_span_id, SPAN_ID_BYTES) else None,
        integer(span.start_time_unix_nano),
        integer(span.end_time_unix_nano),
        span.name[:MAX_VALUE_CHARACTERS],
        span.kind,
        span.status.code,
        span.status.message[:MAX_VALUE_CHARACTERS],
        request_id_of(values),
        as_json(values),
        as_json(events),
        as_json(links),
    )


def _log(resource: Resource, scope: Scope, record: Any) -> LogRow:
    values = attributes_of(record.attributes)
    body = plain(record.body)
    return LogRow(
        resource,
        scope,
        integer(record.time_unix_nano or record.observed_time_unix_nano),
        record.severity_number,
        record.severity_text[:100],
        body if isinstance(body, str) else "" if body is None else as_json(body),
        record.event_name[:MAX_VALUE_CHARACTERS],
        record.trace_id if valid_id(record.trace_id, TRACE_ID_BYTES) else None,
        record.span_id if valid_id(record.span_id, SPAN_ID_BYTES) else None,
        request_id_of(values),
        as_json(values),
    )


def request_id_of(values: dict[str, Any]) -> str | None:
    """Return the request id among attributes, when it is text."""
    for key in REQUEST_ID_KEYS:
        value = values.get(key)
        if isinstance(value, str) and value:
            return value
    return None
