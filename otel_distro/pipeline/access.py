"""Lines derived from ended root spans: `request_completed`, `connection_completed`, `task_completed`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.trace import StatusCode

from otel_distro.record import LogRecord
from otel_distro.semconv import http, messaging
from otel_distro.semconv.attributes import WORK

if TYPE_CHECKING:
    from otel_distro.pipeline.span import Span
    from otel_distro.semconv import Event

_INFO, _ERROR = 9, 17
_WORK = tuple(attribute.key for attribute in WORK)
_SERVER, _CONSUMER = 1, 4


class Line:
    """What one kind of root span becomes: the body and the attributes of its event."""

    __slots__ = ("body", "event_name", "keys", "scope")

    def __init__(self, scope: str, body: str, event: Event) -> None:
        self.scope = scope
        self.body = body
        self.event_name = event.name
        self.keys = tuple(attribute.key for attribute in event.attributes if attribute.key != http.DURATION_MS.key)


LINES = {
    (http.ASGI_SCOPE, _SERVER): Line("otel_distro.access", "request_completed", http.REQUEST_COMPLETED),
    (http.WS_SCOPE, _SERVER): Line("otel_distro.access", "connection_completed", http.CONNECTION_COMPLETED),
    (messaging.SCOPE, _CONSUMER): Line("otel_distro.tasks", "task_completed", messaging.TASK_COMPLETED),
}


def line_of(span: Span) -> LogRecord | None:
    """The line for this span, or None when it is not of a kind that has one."""
    line = LINES.get((span.tracer.scope.name, span._kind._value_))  # noqa: SLF001 - the record's fields
    if line is None:
        return None
    found = span._attributes  # noqa: SLF001
    ended = span._end_time or 0  # noqa: SLF001
    attributes = {key: found[key] for key in line.keys if key in found}
    attributes[http.DURATION_MS.key] = round(span.duration_ns / 1e6, 3)
    failed = span._status.status_code is StatusCode.ERROR  # noqa: SLF001
    return LogRecord(
        ended,
        _ERROR if failed else _INFO,
        "ERROR" if failed else "INFO",
        line.scope,
        line.body,
        attributes=attributes,
        fields={key: found[key] for key in _WORK if key in found},
        trace_id=span.trace_id,
        span_id=span.span_id,
        trace_flags=span.flags,
        event_name=line.event_name,
    )
