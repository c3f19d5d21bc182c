"""Lines derived from ended root spans: `request_completed`, `connection_completed`, `task_completed`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import StatusCode

from otel_distro.pipeline.local_trace import Mode
from otel_distro.record import LogRecord
from otel_distro.semconv import http, messaging
from otel_distro.semconv.attributes import WORK

if TYPE_CHECKING:
    from otel_distro.pipeline.span import Span
    from otel_distro.semconv import Event

_INFO, _ERROR = 9, 17
_MAX_KNOWN = 256
_WORK = tuple(attribute.key for attribute in WORK)
_SERVER, _CONSUMER = 1, 4


Pick = tuple[tuple[str, ...], Callable[[Mapping[str, Any]], Any]]
"""Keys, and what takes their values from a span's attributes."""


class Line:
    """What one kind of root span becomes: the body and the attributes of its event."""

    __slots__ = ("_known", "body", "event_name", "keys", "scope")

    def __init__(self, scope: str, body: str, event: Event) -> None:
        self.scope = scope
        self.body = body
        self.event_name = event.name
        self.keys = tuple(attribute.key for attribute in event.attributes if attribute.key != http.DURATION_MS.key)
        self._known: dict[tuple[str, ...], tuple[Pick, Pick]] = {}

    def picks(self, found: Mapping[str, Any]) -> tuple[Pick, Pick]:
        """What to take of these attributes for the event, and for the work; found once for each set of keys."""
        present = tuple(found)
        known = self._known.get(present)
        if known is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            known = self._known[present] = (_pick(self.keys, found), _pick(_WORK, found))
        return known


def _pick(keys: Iterable[str], found: Mapping[str, Any]) -> Pick:
    wanted = tuple(key for key in keys if key in found)
    if len(wanted) > 1:
        return wanted, itemgetter(*wanted)
    return wanted, lambda found: tuple(found[key] for key in wanted)  # itemgetter gives a single value as it is


LINES = {
    (http.ASGI_SCOPE, _SERVER): Line("otel_distro.access", "request_completed", http.REQUEST_COMPLETED),
    (http.WS_SCOPE, _SERVER): Line("otel_distro.access", "connection_completed", http.CONNECTION_COMPLETED),
    (messaging.SCOPE, _CONSUMER): Line("otel_distro.tasks", "task_completed", messaging.TASK_COMPLETED),
}


def has_line(span: Span) -> bool:
    """Whether it is of a kind that has a line."""
    return (span.tracer.scope.name, span._kind._value_) in LINES and span.local.mode is not Mode.QUIET  # noqa: SLF001


def line_of(span: Span) -> LogRecord | None:
    """The line for this span, or None when it is not of a kind that has one."""
    line = LINES.get((span.tracer.scope.name, span._kind._value_))  # noqa: SLF001 - the record's fields
    if line is None:
        return None
    found = span._attributes  # noqa: SLF001
    ended = span._end_time or 0  # noqa: SLF001
    (keys, values), (work_keys, work_values) = line.picks(found)
    attributes = dict(zip(keys, values(found), strict=True))
    attributes[http.DURATION_MS.key] = round(span.duration_ns / 1e6, 3)
    failed = span._status.status_code is StatusCode.ERROR  # noqa: SLF001
    return LogRecord(
        ended,
        _ERROR if failed else _INFO,
        "ERROR" if failed else "INFO",
        line.scope,
        line.body,
        attributes=attributes,
        fields=dict(zip(work_keys, work_values(found), strict=True)),
        trace_id=span.trace_id,
        span_id=span.span_id,
        trace_flags=span.flags,
        event_name=line.event_name,
    )
