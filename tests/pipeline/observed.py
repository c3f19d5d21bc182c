"""A pipeline of one's own, with everything that leaves it in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import monotonic, time_ns
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import NonRecordingSpan as Remote
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, set_span_in_context

from otel_distro import config
from otel_distro.pipeline import Pipeline
from otel_distro.pipeline.span import Span
from otel_distro.pipeline.thread import Outputs
from otel_distro.record import LogRecord
from otel_distro.semconv import db, http
from tests.in_memory import InMemoryExporter

SECOND = 10**9


class Observed:
    """What left, as an exporter and a metric reader saw it."""

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        *,
        sampler: Sampler | None = None,
        views: Sequence[View] = (),
        readers: Sequence[MetricReader] = (),
        exporting: bool = True,
    ) -> None:
        self._spans, self._logs, self.lines = InMemoryExporter(), InMemoryExporter(), list[LogRecord]()
        self.reader = InMemoryMetricReader()
        self.pipeline = Pipeline(config.load(environ or {}), Resource({"service.name": "test"}), own_instance_id=False)
        outputs = Outputs([self._spans] if exporting else [], [self._logs], console=self)
        self.pipeline.build(outputs, readers=[self.reader, *readers], sampler=sampler, views=views)
        self.worker = self.pipeline.worker

    def render(self, record: LogRecord) -> LogRecord:
        """The console keeps records as they are."""
        return record

    def write(self, lines: Sequence[LogRecord]) -> None:
        """The console's lines, in order."""
        self.lines += lines

    def end(self) -> None:
        """Stop the thread."""
        self.worker.shutdown(1000)

    def settle(self) -> None:
        """Wait until all that was handed over is processed."""
        assert self.worker.settle(monotonic() + 30)

    def tracer(self, scope: str = http.ASGI_SCOPE) -> Any:
        """The tracer of this scope; the default is that of server spans."""
        return self.pipeline.tracer_provider.get_tracer(scope)

    def start(self, route: str = "/", *, context: Context | None = None, start: int | None = None) -> Span:
        """A server span."""
        attributes = {"http.request.method": "GET", "url.scheme": "http", "http.route": route}
        span = self.tracer().start_span(f"GET {route}", context, SpanKind.SERVER, attributes, start_time=start)
        assert type(span) is Span
        return span

    def request(
        self,
        route: str = "/",
        status: int = 200,
        *,
        seconds: float = 0.01,
        children: int = 0,
        context: Context | None = None,
        start: int | None = None,
    ) -> Span:
        """A whole request with so many queries in it."""
        began = time_ns() if start is None else start
        span = self.start(route, context=context, start=began)
        inside = set_span_in_context(span)
        for _ in range(children):
            query = self.tracer(db.SCOPE).start_span("SELECT x", inside, SpanKind.CLIENT, {"db.system.name": "sqlite"})
            query.end()
        self.answer(span, status, began + int(seconds * SECOND))
        return span

    @staticmethod
    def answer(span: Span, status: int = 200, end: int | None = None) -> None:
        """The request's end."""
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            span.set_attribute("error.type", str(status))
            span.set_status(Status(StatusCode.ERROR))
        span.end(end)

    def spans(self) -> list[Span]:
        """Exported spans, in order."""
        self.settle()
        return list(self._spans.items)

    def names(self) -> list[str]:
        """Names of the exported spans, in order."""
        return [span.name for span in self.spans()]

    def logs(self) -> list[LogRecord]:
        """Exported log records, in order."""
        self.settle()
        return list(self._logs.items)

    def metrics(self, reader: InMemoryMetricReader | None = None) -> dict[str, Any]:
        """What a reader collects now, by name."""
        data = (reader or self.reader).get_metrics_data()
        scopes = data.resource_metrics[0].scope_metrics if data else []
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def points(self, name: str, reader: InMemoryMetricReader | None = None) -> list[Any]:
        """The points of one metric that a reader collects now."""
        metric = self.metrics(reader).get(name)
        return list(metric.data.data_points) if metric else []

    def counts(self, name: str = "http.server.request.duration") -> dict[Any, int]:
        """Histogram counts by route."""
        return {point.attributes.get("http.route"): point.count for point in self.points(name)}

    def dropped(self) -> dict[tuple[str, str], int]:
        """The self-metric of lost records: by signal and cause."""
        points = self.points("otel_distro.records.dropped")
        return {
            (point.attributes["otel_distro.signal"], point.attributes["otel_distro.drop.cause"]): point.value
            for point in points
            if point.value
        }


def remote(*, sampled: bool, trace_id: int = 0xABC) -> Context:
    """A caller's trace context, as a propagator extracts it."""
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else 0)
    return set_span_in_context(Remote(SpanContext(trace_id, 0xDEF, is_remote=True, trace_flags=flags)))
