"""Single operations of the hot path, microseconds of CPU of the calling thread (or, where said, of the pipeline's).

Hot loops: under load, with cold caches, the same calls cost two to four times this. `python micro.py RESULT`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from inside import scope
from opentelemetry import context, trace
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource

from otel_distro import config
from otel_distro.assembly import assemble
from otel_distro.exporter.logs import encode_log
from otel_distro.exporter.metrics import ZeroPoints, encode_metrics
from otel_distro.exporter.spans import encode_span
from otel_distro.instrumentation.asgi import AsgiInstrumentor
from otel_distro.instrumentation.logging import LoggingInstrumentor
from otel_distro.logs.json_line import JsonLines, json_lines
from otel_distro.native import extension
from otel_distro.pipeline import Pipeline
from otel_distro.pipeline.thread import Outputs
from otel_distro.record import HANDOVER, LogRecord, Measurement
from otel_distro.semconv.db import CONNECTION_WAIT_TIME, SCOPE

COUNT = 100
"""Calls between two looks at the clock: few enough that what they hand over fits where the pipeline has room at once.
What does not is measured and put elsewhere, as under an overload."""
BEST_OF = 50
ATTRIBUTES = {
    "db.system.name": "postgresql",
    "db.namespace": "shop",
    "server.address": "127.0.0.1",
    "server.port": 5432,
    "db.operation.name": "SELECT",
    "db.collection.name": "items",
    "db.query.summary": "SELECT items",
    "db.query.text": "SELECT items.id, items.name, items.price FROM items WHERE items.id = $1",
}


class Micro:
    """One pipeline, and the clock."""

    def __init__(self, **variables: str) -> None:
        os.environ.update(variables)
        settings = config.load(
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": os.environ["BENCH_SINK"],
                "OTEL_EXPORTER_OTLP_HEADERS": "x-bench-variant=micro",
                "OTEL_DISTRO_LOG_FORMAT": "json",
                **variables,
            }
        )
        config.use(settings)
        self.pipeline = assemble(settings)
        for name in variables:
            del os.environ[name]
        HANDOVER.sink = self.pipeline.worker
        self.tracer = self.pipeline.tracer_provider.get_tracer(SCOPE)

    def settle(self) -> None:
        """The pipeline has worked everything off."""
        self.pipeline.worker.settle(time.monotonic() + 20)

    def best(self, operation: Callable[[], Any], count: int = COUNT) -> float:
        """The least CPU of one call, of some runs."""
        found = []
        for _ in range(BEST_OF):
            start = time.thread_time()
            for _ in range(count):
                operation()
            found.append((time.thread_time() - start) / count * 1e6)
            self.settle()
        return min(found)

    def best_of_pipeline(self, operation: Callable[[], Any], count: int = COUNT) -> float:
        """The least CPU that the pipeline's thread spends on what one call hands over."""
        found = []
        for _ in range(BEST_OF):
            for _ in range(count):
                operation()
            start = pipeline_cpu()
            self.settle()
            found.append((pipeline_cpu() - start) / count * 1e6)
        return min(found)


def pipeline_cpu() -> float:
    """Seconds of CPU of the threads named otel-distro (the senders have longer names)."""
    return sum(
        time.clock_gettime(~(thread.native_id or 0) << 3 | 6)
        for thread in threading.enumerate()
        if thread.name == "otel-distro"
    )


def request() -> Callable[[], None]:
    """An ASGI request to a FastAPI app with one route that does nothing."""
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})

    @app.get("/nothing")
    async def nothing() -> None:
        return None

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: dict[str, Any]) -> None:
        pass

    loop = asyncio.new_event_loop()

    def run() -> None:
        loop.run_until_complete(app(scope("GET", "/nothing", 1), receive, send))

    return run


def of_requests(micro: Micro) -> float:
    """What being watched adds to a request."""
    run = request()
    bare = micro.best(run)
    instrumentor = AsgiInstrumentor()
    instrumentor.instrument(tracer_provider=micro.pipeline.tracer_provider)
    watched = micro.best(run)
    instrumentor.uninstrument()
    return watched - bare


def of_logs(micro: Micro) -> float:
    """What being recorded adds to a call of `logging`, whose own line is replaced by ours."""
    logger = logging.getLogger("micro")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    logger.setLevel(logging.INFO)

    def run() -> None:
        logger.info("fetching item %s", 17)

    bare = micro.best(run)
    instrumentor = LoggingInstrumentor()
    instrumentor.instrument()
    recorded = micro.best(run)
    instrumentor.uninstrument()
    return recorded - bare


def on_the_path(micro: Micro) -> dict[str, float]:
    """Operations on the application's threads."""
    root = micro.tracer.start_span("root")
    token = context.attach(trace.set_span_in_context(root))
    open_span = micro.tracer.start_span("open")
    client = trace.SpanKind.CLIENT
    found = {
        "request: begin and end": of_requests(micro),
        "child span, 8 attributes": micro.best(
            lambda: micro.tracer.start_span("SELECT items", kind=client, attributes=ATTRIBUTES).end()
        ),
        "set_attribute": micro.best(lambda: open_span.set_attribute("key", 1)),
        "log record": of_logs(micro),
        "metric point": micro.best(lambda: HANDOVER.sink.measure(Measurement(CONNECTION_WAIT_TIME, 0.001, ("pool",)))),
        "context switch: attach and detach": micro.best(lambda: context.detach(context.attach({}))),
    }
    context.detach(token)
    return found


def local_trace(micro: Micro) -> Callable[[], None]:
    """A root, two children and two log lines."""

    def run() -> None:
        root = micro.tracer.start_span("GET /items", context=context.Context(), kind=trace.SpanKind.SERVER)
        inside = trace.set_span_in_context(root)
        for _ in range(2):
            micro.tracer.start_span("SELECT items", inside, trace.SpanKind.CLIENT, ATTRIBUTES).end()
            HANDOVER.sink.log(record())
        root.end()

    return run


def record() -> LogRecord:
    """As the logging instrumentation makes them."""
    attributes = {"code.file.path": "shop.py", "code.line.number": 99, "code.function.name": "get_item"}
    fields = {"request.id": "0" * 32, "user.hash": "1" * 16}
    return LogRecord(
        time.time_ns(),
        9,
        "INFO",
        "shop",
        "item fetched",
        attributes=attributes,
        fields=fields,
        trace_id=1,
        span_id=2,
    )


def some_metrics() -> Any:
    """What is collected after one local trace."""
    reader = InMemoryMetricReader()
    pipeline = Pipeline(config.current(), Resource({}), own_instance_id=False)
    pipeline.build(Outputs(), readers=[reader])
    tracer = pipeline.tracer_provider.get_tracer(SCOPE)
    tracer.start_span("SELECT items", kind=trace.SpanKind.CLIENT, attributes=ATTRIBUTES).end()
    return reader.get_metrics_data()


def encoders(span: Any, one: LogRecord) -> dict[str, Callable[[], Any]]:
    """Those in Python, and those compiled with the package where they were."""
    lines, native = JsonLines({"service.name": "micro"}), extension()
    found: dict[str, Callable[[], Any]] = {
        "encode a span of 8 attributes": lambda: encode_span(span),
        "encode a log record": lambda: encode_log(one),
        "render a line of JSON": lambda: lines(one),
    }
    if native is not None:
        rendered = json_lines({"service.name": "micro"})
        found |= {
            "encode a span of 8 attributes, natively": lambda: native.add_spans({}, (span,), encode_span),
            "encode a log record, natively": lambda: native.add_logs({}, (one,), encode_log),
            "render a line of JSON, natively": lambda: rendered(one),
        }
    return found


def encoding(micro: Micro) -> dict[str, float]:
    """Encoders alone."""
    span = micro.tracer.start_span("SELECT items", kind=trace.SpanKind.CLIENT, attributes=ATTRIBUTES)
    span.end()
    one = record()
    data = some_metrics()
    points = sum(
        len(metric.data.data_points) for group in data.resource_metrics[0].scope_metrics for metric in group.metrics
    )
    return {
        **{name: micro.best(encode) for name, encode in encoders(span, one).items()},
        "encode a metric point": micro.best(lambda: encode_metrics(data, ZeroPoints())) / points,
    }


def main() -> None:
    """Measure, and write the result."""
    micro = Micro()
    found = on_the_path(micro)
    found["pipeline thread: seal a local trace of 3 spans and 2 logs"] = micro.best_of_pipeline(local_trace(micro))
    found.update(encoding(micro))
    dropping = Micro(OTEL_TRACES_SAMPLER="otel_distro_ratio", OTEL_TRACES_SAMPLER_ARG="0")
    found["request that is sampled out: begin and end"] = of_requests(dropping)
    found["pipeline thread: seal a dropped local trace of 3 spans and 2 logs"] = dropping.best_of_pipeline(
        local_trace(dropping)
    )
    Path(sys.argv[1]).write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main()
    os._exit(0)
