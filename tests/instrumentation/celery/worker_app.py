"""The orders application as a worker process loads it, with telemetry in memory, written by `flush` only.

So whatever is in the files was flushed in time; what a process took with it when it ended is missing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from celery import Celery
from opentelemetry import propagate, trace
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from otel_distro.context.baggage import FirstPartyBaggagePropagator
from otel_distro.instrumentation.celery import CeleryInstrumentor
from otel_distro.instrumentation.logging import LoggingInstrumentor
from otel_distro.record import HANDOVER, LogRecord, Measurement
from tests.instrumentation.celery.orders import register


class FileSink(SpanProcessor):
    """Keeps ended spans and log records of this process, and appends them to its file when flushed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[dict[str, Any]] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Keep an ended span."""
        parent = f"{span.parent.span_id:016x}" if span.parent else None
        self.lines.append(
            {
                "span": span.name,
                "kind": span.kind.name,
                "trace_id": f"{span.context.trace_id:032x}",
                "span_id": f"{span.context.span_id:016x}",
                "parent": parent,
                "status": span.status.status_code.name,
                "attributes": dict(span.attributes or {}),
            }
        )

    def log(self, record: LogRecord) -> None:
        """Keep a log record."""
        self.lines.append(
            {
                "log": record.body,
                "trace_id": f"{record.trace_id:032x}",
                "span_id": f"{record.span_id:016x}",
                "fields": dict(record.fields or {}),
            }
        )

    def measure(self, measurement: Measurement) -> None:
        """Nothing here measures."""

    def flush(self, timeout_millis: int) -> bool:
        """Write what there is."""
        lines, self.lines = self.lines, []
        with (self.folder / f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        return timeout_millis > 0


sink = FileSink(Path(os.environ["TELEMETRY_FOLDER"]))
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(sink)
trace.set_tracer_provider(provider)
propagate.set_global_textmap(CompositePropagator([TraceContextTextMapPropagator(), FirstPartyBaggagePropagator()]))
HANDOVER.sink = sink
CeleryInstrumentor().instrument()
if "RECORD_LINES" in os.environ:
    LoggingInstrumentor().instrument()

app = Celery("orders", broker=os.environ["BROKER_URL"], backend=os.environ["BROKER_URL"])
app.conf.task_default_queue = os.environ["QUEUE"]
register(app)
