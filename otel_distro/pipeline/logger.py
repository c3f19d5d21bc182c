"""The logger provider: what is emitted through the OpenTelemetry logs API becomes a record like all other lines."""

from __future__ import annotations

from threading import Lock
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk._logs import LoggerProvider as SdkLoggerProvider
from opentelemetry.sdk._logs import LogRecordProcessor

from otel_distro.context.work import current_fields
from otel_distro.pipeline.clean import clean
from otel_distro.pipeline.told import Told, body_text
from otel_distro.record import HANDOVER, LogRecord, Sink

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadWriteLogRecord
    from opentelemetry.sdk.resources import Resource


class HandoverProcessor(LogRecordProcessor):
    """Hands records of the logs API over; values are copied now (design decision 2)."""

    def __init__(self, sink: Sink | None) -> None:
        self._sink = sink

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Take one record."""
        made = log_record.log_record
        now = time_ns()
        scope = getattr(log_record.instrumentation_scope, "name", "") or ""
        (self._sink or HANDOVER.sink).log(
            LogRecord(
                made.timestamp or made.observed_timestamp or now,
                made.severity_number.value if made.severity_number else 9,
                made.severity_text or "INFO",
                scope,
                body_text(made.body),
                attributes={str(key): clean(value) for key, value in (made.attributes or {}).items()},
                fields=current_fields(now),
                trace_id=made.trace_id or 0,
                span_id=made.span_id or 0,
                trace_flags=int(made.trace_flags or 0),
                event_name=made.event_name,
            )
        )

    def shutdown(self) -> None:
        """The pipeline has its own end."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - the SDK's signature
        """The provider flushes the pipeline."""
        return True


class LoggerProvider(SdkLoggerProvider):
    """The SDK's provider with our processor; others may be added to it, and are told of all lines, not the API's only.

    `worker`: where records go; None: wherever the hand-over leads.
    """

    def __init__(self, resource: Resource, worker: Sink | None = None) -> None:
        super().__init__(resource=resource, shutdown_on_exit=False)
        self._worker = worker
        self._told: Told | None = None
        self._ours = HandoverProcessor(worker)
        super().add_log_record_processor(self._ours)

    @property
    def sink(self) -> Sink | None:
        """Where those who write records hand them over: the worker, by way of the processors when there are some."""
        return self._told or self._worker

    def add_log_record_processor(self, log_record_processor: LogRecordProcessor) -> None:
        """Tell a processor of each record, synchronously (its cost is paid only when one is present).

        Ours stays the last one, so that what a processor adds to a record, or takes from it, is so in our export.
        """
        before = self.sink
        super().add_log_record_processor(log_record_processor)
        multi: Any = self._multi_log_record_processor
        with multi._lock:  # noqa: SLF001 - the SDK knows no order but that of addition
            others = tuple(one for one in multi._log_record_processors if one is not self._ours)  # noqa: SLF001
            multi._log_record_processors = (*others, self._ours)  # noqa: SLF001
        if before is None or self._worker is None:
            return
        self._told = Told(self._worker, others, lambda: self.resource)
        if HANDOVER.sink is before:
            HANDOVER.sink = self._told

    def tell_line(self, record: LogRecord) -> None:
        """Tell them of a line that the pipeline derived from a span."""
        if self._told is not None:
            self._told.tell(record)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the pipeline, log processors included."""
        return HANDOVER.sink.flush(timeout_millis)

    def flush_processors(self, timeout_millis: int) -> bool:
        """Flush the log processors alone."""
        return super().force_flush(timeout_millis)

    def _handle_fork(self) -> None:
        """Renew the locks only: the pipeline gives a child its resource."""
        self._logger_cache_lock = Lock()
        self._active_loggers_lock = Lock()
