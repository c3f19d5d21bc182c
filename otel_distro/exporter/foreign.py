"""Exporters of others (console, Zipkin-like, in-memory, user-made) behind our exporter interface."""

from __future__ import annotations

from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING, Any

from opentelemetry._logs import LogRecord as ApiLogRecord
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from otel_distro.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import SpanExporter

    from otel_distro.record import LogRecord


class ForeignExporter:
    """Hands batches to somebody else's exporter on the pipeline thread; its failures are counted, not raised."""

    def __init__(self, exporter: SpanExporter | LogRecordExporter, convert: Callable[[Any], Any] | None = None) -> None:
        self.exporter = exporter
        self.dropped: Counter[str] = Counter()
        self.exports: Counter[str] = Counter()
        self._convert = convert
        self._open: list[Any] = []

    def add(self, item: Any) -> None:
        """Take one item as the other exporter knows it."""
        self._open.append(item if self._convert is None else self._convert(item))

    def seal(self) -> None:
        """Hand the open batch over."""
        items, self._open = self._open, []
        if not items:
            return
        failed = True
        with guard(f"export.{type(self.exporter).__name__}"):
            result: Any = self.exporter.export(items)
            failed = getattr(result, "name", "SUCCESS") != "SUCCESS"
        self.exports["failure" if failed else "success"] += 1
        if failed:
            self.dropped["refused"] += len(items)

    def reset(self) -> None:
        """Begin anew in a forked child; the other exporter does so itself."""
        self._open = []

    def flush(self, deadline: float) -> bool:
        """Flush the exporter if it can."""
        with guard(f"flush.{type(self.exporter).__name__}"):
            left = max(0, int((deadline - monotonic()) * 1000))
            return bool(getattr(self.exporter, "force_flush", lambda _: True)(left))
        return False

    def shutdown(self, deadline: float) -> None:
        """Flush, then shut the exporter down."""
        self.flush(deadline)
        with guard(f"shutdown.{type(self.exporter).__name__}"):
            self.exporter.shutdown()

    @property
    def waiting_bytes(self) -> int:
        """Nothing waits here."""
        return 0


def readable_log(record: LogRecord, resource: Resource) -> ReadableLogRecord:
    """A log record as the SDK's exporters know it."""
    span = SpanContext(record.trace_id, record.span_id, is_remote=False, trace_flags=TraceFlags(record.trace_flags))
    made = ApiLogRecord(
        timestamp=record.time_unix_nano,
        observed_timestamp=record.time_unix_nano,
        context=set_span_in_context(NonRecordingSpan(span)) if record.trace_id else None,
        severity_number=SeverityNumber(record.severity_number),
        severity_text=record.severity_text,
        body=record.body,
        attributes={**(record.fields or {}), **(record.attributes or {})},
        event_name=record.event_name,
    )
    return ReadableLogRecord(
        log_record=made, resource=resource, instrumentation_scope=InstrumentationScope(record.scope)
    )
