"""Log record processors of others: told of each record when it is handed over, as the SDK would tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.context import get_current
from opentelemetry.sdk._logs import ReadWriteLogRecord
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import get_current_span

from otel_distro.exporter.foreign import api_record
from otel_distro.guard import guard
from otel_distro.pipeline.clean import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from opentelemetry.sdk._logs import LogRecordProcessor
    from opentelemetry.sdk.resources import Resource

    from otel_distro.record import LogRecord, Measurement, Sink, Value

_MAX_BODY = 32768


class Told:
    """A sink before another one; see `otel_distro.record.Sink`."""

    def __init__(self, sink: Sink, processors: Sequence[LogRecordProcessor], resource: Callable[[], Resource]) -> None:
        self._sink = sink
        self._processors = processors
        self._resource = resource

    def log(self, record: LogRecord) -> None:
        """Tell the processors, take over what they changed, and pass the record on."""
        self.tell(record)
        self._sink.log(record)

    def tell(self, record: LogRecord) -> None:
        """Tell the processors, and take over what they changed."""
        if record.export:
            with guard("logs.processors"):
                self._tell(record)

    def measure(self, measurement: Measurement) -> None:
        """Pass it on."""
        self._sink.measure(measurement)

    def flush(self, timeout_millis: int) -> bool:
        """Flush the pipeline."""
        return self._sink.flush(timeout_millis)

    def _tell(self, record: LogRecord) -> None:
        context = get_current()
        span = get_current_span(context).get_span_context()
        here = (span.trace_id, span.span_id) == (record.trace_id, record.span_id)
        shown = ReadWriteLogRecord(
            log_record=api_record(record, context if here else None),
            resource=self._resource(),
            instrumentation_scope=InstrumentationScope(record.scope),
        )
        before = dict(shown.log_record.attributes or {})
        for processor in self._processors:
            with guard(f"logs.{type(processor).__name__}"):
                processor.on_emit(shown)
        _take_over(record, before, shown.log_record)


def _take_over(record: LogRecord, before: Mapping[str, Any], made: Any) -> None:
    """What enriches or redacts a record does so in our export and on the console, too."""
    after = made.attributes or {}
    changed = {key: clean(value) for key, value in after.items() if key not in before or value is not before[key]}
    gone = {*changed, *(before.keys() - after.keys())}
    if gone:
        record.fields = _without(record.fields, gone)
        record.attributes = {**_without(record.attributes, gone), **changed}
    if made.body is not record.body:
        record.body = body_text(made.body)
    if made.severity_number is not None:
        record.severity_number = made.severity_number.value
    record.severity_text = made.severity_text or record.severity_text


def _without(values: Mapping[str, Value] | None, keys: Collection[str]) -> dict[str, Value]:
    return {key: value for key, value in (values or {}).items() if key not in keys}


def body_text(body: Any) -> str:
    """A body of any type as bounded text."""
    if body is None:
        return ""
    return body[:_MAX_BODY] if isinstance(body, str) else str(clean(body))[:_MAX_BODY]
