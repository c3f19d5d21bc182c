"""What a vendor's package brings: exporters, processors and a configurator, written against the SDK alone."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Sequence
from typing import Any

from opentelemetry import baggage
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.metrics.view import DropAggregation, ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otel_distro import configurator


def post(path: str, what: Any) -> None:
    """Send it to the vendor's server."""
    headers = {"content-type": "application/json"}
    url = os.environ["VENDOR_URL"] + path
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(what).encode(), headers)) as answer:
        answer.read()


class ZipkinExporter(SpanExporter):
    """Spans in Zipkin's JSON."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        post("/api/v2/spans", [zipkin(span) for span in spans])
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        post("/bye/spans", {})


def zipkin(span: ReadableSpan) -> dict[str, Any]:
    """A span as Zipkin knows it."""
    assert span.context
    assert span.start_time
    assert span.end_time
    return {
        "traceId": f"{span.context.trace_id:032x}",
        "id": f"{span.context.span_id:016x}",
        "parentId": f"{span.parent.span_id:016x}" if span.parent else None,
        "name": span.name,
        "timestamp": span.start_time // 1000,
        "duration": (span.end_time - span.start_time) // 1000,
        "kind": span.kind.name,
        "tags": {key: str(value) for key, value in (span.attributes or {}).items()},
        "annotations": [{"timestamp": event.timestamp // 1000, "value": event.name} for event in span.events],
        "localEndpoint": {"serviceName": span.resource.attributes["service.name"]},
        "error": span.status.description,
    }


class LogExporter(LogRecordExporter):
    """Log records, the essential of them."""

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        post("/logs", [log(one) for one in batch])
        return LogRecordExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 10_000) -> bool:
        return True

    def shutdown(self) -> None:
        post("/bye/logs", {})


def log(one: ReadableLogRecord) -> dict[str, Any]:
    """A log record, with the name of its logger."""
    made = one.log_record
    assert one.instrumentation_scope
    return {
        "body": made.body,
        "severity": made.severity_text,
        "trace": made.trace_id,
        "attributes": dict(made.attributes or {}),
        "logger": one.instrumentation_scope.name,
    }


class CountExporter(MetricExporter):
    """How many points each metric had."""

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        scopes = [scope for one in metrics_data.resource_metrics for scope in one.scope_metrics]
        post("/metrics", {metric.name: len(metric.data.data_points) for scope in scopes for metric in scope.metrics})
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        post("/bye/metrics", {})


class Enriching(SpanProcessor):
    """Puts the tenant that baggage names on each span, and at its end how long its name is."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        span.set_attribute("vendor.tenant", str(baggage.get_baggage("tenant", parent_context)))

    def _on_ending(self, span: Span) -> None:
        span.set_attribute("vendor.length", len(span.name))


class Masking(LogRecordProcessor):
    """Takes card numbers out of log records, and puts the tenant in."""

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        made: Any = log_record.log_record
        made.body = made.body.replace("4711", "****")
        made.attributes.pop("card", None)
        made.attributes["vendor.tenant"] = str(baggage.get_baggage("tenant"))

    def shutdown(self) -> None:
        """Nothing to end."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return True


class Configurator(configurator.Configurator):
    """Ours, with what a vendor gives in code."""

    def configure(self, **given: Any) -> None:
        """Views of the vendor's, its processors, and one resource attribute."""
        views = [
            View(instrument_name="http.server.request.duration", aggregation=ExponentialBucketHistogramAggregation()),
            View(instrument_name="orders", name="vendor.orders", attribute_keys={"kind"}),
            View(instrument_name="noise", aggregation=DropAggregation()),
        ]
        super().configure(
            views=views,
            span_processors=[Enriching()],
            log_record_processors=[Masking()],
            resource_attributes={"vendor": "yes"},
            pigeons=2,
            **given,
        )
