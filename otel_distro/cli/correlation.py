"""Is each request one trace with its spans, its log lines and its place in the histogram? A store answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_distro.viewer.query import LogFilter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otel_distro.viewer.answer import Log, Span, Trace
    from otel_distro.viewer.query import Query

SERVER_ERROR = 500
WEBSOCKET = "WS"
REQUEST_DURATION = "http.server.request.duration"
REQUEST_COMPLETED = "request_completed"
CONNECTION_DURATION = "websocket.server.connection.duration"
CONNECTION_COMPLETED = "connection_completed"
# Loggers of the demo that write while a request or a task is under way; `shop.main` when the shop opens.
REQUEST_LOGGERS = ("shop.", "uvicorn.access", "celery.app.trace")
STARTUP_LOGGERS = ("shop.main",)


@dataclass(frozen=True)
class Sent:
    """A request that was sent; `request_id` is what the response's X-Request-ID said."""

    kind: str
    method: str
    route: str
    status: int
    request_id: str | None
    task: str | None = None
    runs: int = 0


@dataclass(frozen=True)
class Correlation:
    """What the store lacks: per request what is missing, and the log records without their ids."""

    missing: tuple[tuple[Sent, tuple[str, ...]], ...]
    orphans: tuple[Log, ...]

    @property
    def correlated(self) -> int:
        """How many requests lack nothing."""
        return sum(not lacks for _, lacks in self.missing)

    @property
    def complete(self) -> bool:
        """Tell whether nothing is missing at all."""
        return self.correlated == len(self.missing) and not self.orphans


def correlate(query: Query, sent: Sequence[Sent]) -> Correlation:
    """Follow each request from its response's id through the store."""
    numbers = Counter((request.method, request.route) for request in sent)
    counted = _measured(query)
    missing = []
    traces: set[str] = set()
    for request in sent:
        ids = query.traces_of_request(request.request_id) if request.request_id else ()
        traces.update(ids)
        lacks = list(_lacks(query, request, ids))
        measured, number = (counts[request.method, request.route] for counts in (counted, numbers))
        if measured < number:
            lacks.append(f"the histogram of {request.method} {request.route} counts {measured} of {number}")
        missing.append((request, tuple(lacks)))
    requests = {request.request_id for request in sent if request.request_id}
    orphans = [log for log in query.logs(LogFilter()) if _is_orphan(log, traces, requests)]
    return Correlation(tuple(missing), tuple(orphans))


def _measured(query: Query) -> Counter[tuple[str, str]]:
    """Count the measurements of each method and route; a WebSocket has a metric of its own."""
    counted: Counter[tuple[str, str]] = Counter()
    for series in query.series(REQUEST_DURATION):
        key = (str(series.attributes.get("http.request.method")), str(series.attributes.get("http.route")))
        counted[key] += series.count or 0
    for series in query.series(CONNECTION_DURATION):
        counted[WEBSOCKET, str(series.attributes.get("http.route"))] += series.count or 0
    return counted


def _lacks(query: Query, request: Sent, ids: Sequence[str]) -> Iterator[str]:
    if request.request_id is None:
        yield "X-Request-ID of the response"
        return
    trace = query.trace(ids[0]) if len(ids) == 1 else None
    if trace is None:
        yield f"its one trace ({len(ids)} found)"
        return
    servers = [span for span in trace.spans if span.kind == "server"]
    if len(servers) != 1 or not _serves(servers[0], request):
        yield f"its one server span ({len(servers)} found)"
    if request.status >= SERVER_ERROR and not any(span.status == "error" for span in servers):
        yield "the error status of its server span"
    if request.task is not None:
        yield from _lacks_of_task(trace, request.task, request.runs)
    if not any(_completes(log, request) for log in trace.logs):
        yield "its request_completed line"


def _lacks_of_task(trace: Trace, task: str, runs: int) -> Iterator[str]:
    for kind, least in (("producer", 1), ("consumer", runs)):
        found = [span for span in trace.spans if span.kind == kind and task in span.name]
        if len(found) < least:
            yield f"{least} {kind} span of {task} ({len(found)} found)"
    if task == "shop.fulfil_order" and not any("db.system.name" in span.attributes for span in trace.spans):
        yield "its SQL spans"


def _serves(span: Span, request: Sent) -> bool:
    method = "GET" if request.method == WEBSOCKET else request.method
    # A WebSocket's handshake has no method worth naming: a span may leave it out, but not name another.
    named = span.attributes.get("http.request.method", "GET" if request.method == WEBSOCKET else None)
    return (
        named == method and span.attributes.get("http.route") == request.route and span.request_id == request.request_id
    )


def _completes(log: Log, request: Sent) -> bool:
    if log.request_id != request.request_id or log.attributes.get("http.route") != request.route:
        return False
    if request.method == WEBSOCKET:
        return log.body == CONNECTION_COMPLETED
    status, method = (
        log.attributes.get("http.response.status_code"),
        log.attributes.get("http.request.method"),
    )
    return log.body == REQUEST_COMPLETED and (status, method) == (request.status, request.method)


def _is_orphan(log: Log, traces: set[str], requests: set[str]) -> bool:
    """Tell whether a log record belongs to a request and lacks its trace id or request id."""
    if log.trace_id is not None and log.request_id is not None:
        return False
    belongs = log.trace_id in traces or log.request_id in requests
    while_serving = log.logger.startswith(REQUEST_LOGGERS) and log.logger not in STARTUP_LOGGERS
    return belongs or while_serving or "exception.type" in log.attributes
