"""The logger provider: what is emitted through the OpenTelemetry logs API becomes a record like all other lines."""

from __future__ import annotations

from threading import Lock
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk._logs import LoggerProvider as SdkLoggerProvider
from opentelemetry.sdk._logs import LogRecordProcessor

from otel_distro.context.work import current_fields
from otel_distro.pipeline.clean import clean
from otel_distro.record import HANDOVER, LogRecord

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadWriteLogRecord
    from opentelemetry.sdk.resources import Resource

_MAX_BODY = 32768


class HandoverProcessor(LogRecordProcessor):
    """Hands records of the logs API over; values are copied now (design decision 2)."""

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Take one record."""
        made = log_record.log_record
        now = time_ns()
        scope = getattr(log_record.instrumentation_scope, "name", "") or ""
        HANDOVER.sink.log(
            LogRecord(
                made.timestamp or made.observed_timestamp or now,
                made.severity_number.value if made.severity_number else 9,
                made.severity_text or "INFO",
                scope,
                _body(made.body),
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


def _body(body: Any) -> str:
    if body is None:
        return ""
    return body[:_MAX_BODY] if isinstance(body, str) else str(clean(body))[:_MAX_BODY]


class LoggerProvider(SdkLoggerProvider):
    """The SDK's provider with our processor; others may be added to it."""

    def __init__(self, resource: Resource) -> None:
        super().__init__(resource=resource, shutdown_on_exit=False)
        self.add_log_record_processor(HandoverProcessor())

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
