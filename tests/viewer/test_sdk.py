"""The SDK's own exporters speak to the viewer."""

from __future__ import annotations

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_distro.viewer.query import LogFilter
from tests.viewer.client import Client


@pytest.mark.parametrize("compression", list(Compression))
def test_a_request_of_the_sdk_is_one_trace_with_its_log_line_and_histogram(
    viewer: Client, compression: Compression
) -> None:
    """Spans, a log record and a histogram with its exemplar arrive as the SDK sent them."""
    resource = Resource({"service.name": "sdk"})
    traces, logs = TracerProvider(resource=resource), LoggerProvider(resource=resource)
    traces.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(f"{viewer.server.endpoint}/v1/traces", compression=compression))
    )
    logs.add_log_record_processor(
        BatchLogRecordProcessor(OTLPLogExporter(f"{viewer.server.endpoint}/v1/logs", compression=compression))
    )
    exporter = OTLPMetricExporter(f"{viewer.server.endpoint}/v1/metrics", compression=compression)
    metrics = MeterProvider([PeriodicExportingMetricReader(exporter)], resource)
    with traces.get_tracer("t").start_as_current_span("GET /", attributes={"request_id": "r"}):
        logs.get_logger("l").emit(body="hello", severity_number=SeverityNumber.INFO, attributes={"request_id": "r"})
        metrics.get_meter("m").create_histogram("d", "s").record(0.5, {"http.route": "/"})
    for provider in (traces, logs, metrics):
        provider.shutdown()
    with viewer.stored() as query:
        (trace,) = query.find_traces("r")
        assert [span.name for span in trace.spans] == ["GET /"]
        assert [(log.body, log.severity, log.service) for log in query.logs(LogFilter(request_id="r"))] == [
            ("hello", 9, "sdk")
        ]
        assert trace.logs == query.logs(LogFilter())
        (series,) = query.series("d")
        assert (series.count, series.sum, series.attributes) == (1, 0.5, {"http.route": "/"})
        assert [exemplar.trace_id for exemplar in series.exemplars] == [trace.trace_id]
