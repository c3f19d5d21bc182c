"""The one `telemetry` fixture: what the application's telemetry was, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_distro.record import HANDOVER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    from otel_distro.record import LogRecord, Measurement


class Telemetry:
    """Ended spans, log records and metric points since the test began. (Lead: internals become our pipeline.)"""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self._logs: list[LogRecord] = []
        self._measurements: list[Measurement] = []
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._spans))
        trace.set_tracer_provider(provider)
        metrics.set_meter_provider(MeterProvider([self._reader], shutdown_on_exit=False))
        HANDOVER.sink = self

    def log(self, record: LogRecord) -> None:
        self._logs.append(record)

    def measure(self, measurement: Measurement) -> None:
        self._measurements.append(measurement)

    def flush(self, timeout_millis: int = 5000) -> bool:  # noqa: ARG002
        return True

    def clear(self) -> None:
        self._spans.clear()
        self._logs.clear()
        self._measurements.clear()
        self._reader.get_metrics_data()

    def spans(self, name: str | None = None) -> list[ReadableSpan]:
        """Ended spans in the order of their ends, all or those of this name."""
        return [span for span in self._spans.get_finished_spans() if name in (None, span.name)]

    def logs(self, body: str | None = None) -> list[LogRecord]:
        """Log records in order, all or those with this body."""
        return [record for record in self._logs if body in (None, record.body)]

    def measurements(self, name: str) -> list[Measurement]:
        """Measurements handed over for this metric (not those derived from spans)."""
        return [item for item in self._measurements if item.metric.name == name]

    def points(self, name: str) -> list[Any]:
        """Data points of this metric as an SDK reader collects them now (observable and API instruments)."""
        data = self._reader.get_metrics_data()
        found = [] if data is None else [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics if m.name == name]
        return [point for metric in found for point in metric.data.data_points]


@pytest.fixture(scope="session")
def _telemetry() -> Telemetry:
    return Telemetry()


@pytest.fixture
def telemetry(_telemetry: Telemetry) -> Iterator[Telemetry]:
    """What the code under test emitted, in memory; empty at the start of each test."""
    _telemetry.clear()
    yield _telemetry
    _telemetry.clear()
