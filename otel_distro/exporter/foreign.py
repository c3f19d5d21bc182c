"""Exporters of others (console, Zipkin-like, in-memory, user-made) behind our exporter interface."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from opentelemetry._logs import LogRecord as ApiLogRecord
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from otel_distro.exporter.backlog import Batch
from otel_distro.exporter.deadline import within
from otel_distro.exporter.sender import Sender
from otel_distro.exporter.transport import Answer, Result
from otel_distro.guard import guard

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import SpanExporter

    from otel_distro.exporter import Delivery
    from otel_distro.record import LogRecord

_ITEM_BYTES = 2048
"""About what a span or log record holds while it waits."""
_TIMEOUT = 30.0


class ForeignTransport:
    """Hands a batch to somebody else's exporter, which retries, times out and complains by itself."""

    def __init__(self, exporter: SpanExporter | LogRecordExporter) -> None:
        self._exporter = exporter

    def send(self, payload: Any, timeout: float) -> Answer:  # noqa: ARG002 - exporters take no timeout
        """Export; what it raises is the sender's guard's."""
        result: Any = self._exporter.export(payload)
        if getattr(result, "name", "SUCCESS") == "SUCCESS":
            return Answer(Result.SUCCESS)
        return Answer(Result.FAILURE, reason=f"{type(self._exporter).__name__} failed")

    def reset(self) -> None:
        """The exporter has its own way to notice a fork."""

    def close(self) -> None:
        """The exporter is shut down by `ForeignExporter`."""


class ForeignExporter:
    """Somebody else's exporter on a thread of its own: when it is slow, or its server gone, nobody waits for it."""

    def __init__(
        self,
        signal: str,
        exporter: SpanExporter | LogRecordExporter,
        max_bytes: int,
        convert: Callable[[Any], Any] | None = None,
    ) -> None:
        self.exporter = exporter
        self._convert = convert
        self._open: list[Any] = []
        self._sender = Sender(signal, ForeignTransport(exporter), max_bytes, _TIMEOUT)

    def begin(self) -> None:
        """Nothing is left behind for it."""

    def add(self, items: Sequence[Any]) -> None:
        """Take items as the other exporter knows them."""
        if self._convert is None:
            self._open += items
            return
        for item in items:
            with guard("export.convert"):
                self._open.append(self._convert(item))
                continue
            self._sender.dropped["encode"] += 1

    def seal(self) -> None:
        """Hand the open batch over."""
        items, self._open = self._open, []
        if items:
            self._sender.put(Batch(items, len(items), _ITEM_BYTES * len(items)))

    def reset(self) -> None:
        """Begin anew in a forked child."""
        self._open = []
        self._sender.reset()

    def discard(self) -> None:
        """Forget what was taken and is not on its way yet."""
        self._open = []
        self._sender.discard()

    def flush(self, deadline: float) -> bool:
        """Flush what waits here, then the exporter if it can."""
        sent = self._sender.flush(deadline)
        left = max(0, int((deadline - monotonic()) * 1000))
        flush = getattr(self.exporter, "force_flush", None)
        name = f"flush.{type(self.exporter).__name__}"
        return sent and (flush is None or within(deadline, {name: lambda: flush(left)}))

    def shutdown(self, deadline: float) -> None:
        """Flush, then shut the exporter down."""
        self.flush(deadline)
        self._sender.shutdown(deadline)
        within(deadline, {f"shutdown.{type(self.exporter).__name__}": self.exporter.shutdown})

    @property
    def waiting_bytes(self) -> int:
        """About how many bytes are queued."""
        return self._sender.waiting_bytes

    @property
    def dropped(self) -> Counter[str]:
        """Items lost by cause."""
        return self._sender.dropped

    @property
    def exports(self) -> Counter[str]:
        """Batches by result."""
        return self._sender.exports

    @property
    def delivery(self) -> Delivery:
        """How the delivery stands."""
        return self._sender.delivery


def readable_log(record: LogRecord, resource: Resource) -> ReadableLogRecord:
    """A log record as the SDK's exporters know it."""
    return ReadableLogRecord(
        log_record=api_record(record), resource=resource, instrumentation_scope=InstrumentationScope(record.scope)
    )


def api_record(record: LogRecord, context: Context | None = None) -> ApiLogRecord:
    """A log record as the API knows it; without a context, in one that has nothing but the record's span."""
    if context is None and record.trace_id:
        span = SpanContext(record.trace_id, record.span_id, is_remote=False, trace_flags=TraceFlags(record.trace_flags))
        context = set_span_in_context(NonRecordingSpan(span))
    return ApiLogRecord(
        timestamp=record.time_unix_nano,
        observed_timestamp=record.time_unix_nano,
        context=context,
        severity_number=SeverityNumber(record.severity_number),
        severity_text=record.severity_text,
        body=record.body,
        attributes={**(record.fields or {}), **(record.attributes or {})},
        event_name=record.event_name,
    )
