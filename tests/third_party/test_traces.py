"""Span processors and exporters of others, added to our provider by the app or named by the environment."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry import trace as api
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from otel_distro.pipeline import tracer
from tests.exporter.requests import attributes
from tests.exporter.server import OtlpServer
from tests.third_party.conftest import Run, posted

pytestmark = pytest.mark.integration

APP = """
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
provider = trace.get_tracer_provider()
def work():
    context.attach(baggage.set_baggage("tenant", "acme"))
    with trace.get_tracer("app").start_as_current_span("outer", kind=trace.SpanKind.SERVER) as span:
        span.add_event("cache.miss")
        with trace.get_tracer("app").start_as_current_span("inner", attributes={"a": 1}):
            pass
"""


def test_what_a_processor_adds_is_exported_by_us(run: Run, server: OtlpServer) -> None:
    """At the start, from the baggage of the parent's context, and at the end, while the span is ending."""
    run(APP + "import vendor; provider.add_span_processor(vendor.Enriching()); work()")
    found = {span.name: attributes(span.attributes) for span in server.spans()}
    assert found == {
        "inner": {"a": 1, "vendor.tenant": "acme", "vendor.length": 5},
        "outer": {"vendor.tenant": "acme", "vendor.length": 5},
    }


@pytest.mark.parametrize("processor", ["SimpleSpanProcessor", "BatchSpanProcessor"])
def test_a_zipkin_exporter_sends_what_we_send(run: Run, server: OtlpServer, processor: str) -> None:
    """Added by the app: every span, with its tree, times, event and tags; flushed and shut down at the end."""
    run(APP + f"import vendor; provider.add_span_processor({processor}(vendor.ZipkinExporter())); work()")
    inner, outer = (span for batch in posted(server, "/api/v2/spans") for span in batch)
    ours = {span.name: span for span in server.spans()}
    assert inner["parentId"] == outer["id"] == ours["outer"].span_id.hex()
    assert inner["traceId"] == outer["traceId"] == ours["outer"].trace_id.hex()
    assert (inner["tags"], outer["kind"], outer["parentId"]) == ({"a": "1"}, "SERVER", None)
    assert [one["value"] for one in outer["annotations"]] == ["cache.miss"]
    assert outer["timestamp"] == ours["outer"].start_time_unix_nano // 1000
    assert outer["localEndpoint"]["serviceName"]
    assert len(posted(server, "/bye/spans")) == 1


@pytest.mark.parametrize("processor", ["SimpleSpanProcessor", "BatchSpanProcessor"])
def test_a_console_exporter_added_by_the_app_prints(run: Run, processor: str) -> None:
    """Upstream's, each span once."""
    done = run(APP + f"provider.add_span_processor({processor}(ConsoleSpanExporter())); work()")
    assert [done.out.count(f'"name": "{name}"') for name in ("inner", "outer", "cache.miss")] == [1, 1, 1]


def test_an_exporter_named_by_the_environment(run: Run, server: OtlpServer) -> None:
    """By its entry point, beside ours; it is flushed and shut down at the end."""
    run(APP + "work()", OTEL_TRACES_EXPORTER="vendor,otlp")
    assert [span["name"] for batch in posted(server, "/api/v2/spans") for span in batch] == ["inner", "outer"]
    assert [span.name for span in server.spans()] == ["inner", "outer"]
    assert len(posted(server, "/bye/spans")) == 1


class Counting(IdGenerator):
    """The same ids in each run."""

    def __init__(self) -> None:
        self._next = 0

    def generate_span_id(self) -> int:
        self._next += 1
        return self._next

    def generate_trace_id(self) -> int:
        return 0xABC


def told(kind: type[TracerProvider], **options: Any) -> list[ReadableSpan]:
    """What an exporter of others gets from a provider for the same spans."""
    memory = InMemorySpanExporter()
    provider = kind(id_generator=Counting(), resource=Resource({"a": "b"}), shutdown_on_exit=False, **options)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    scope = provider.get_tracer("scope", "1.0", "https://schema.example/1", {"x": 1})
    linked = Link(SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1)), {"why": "retry"})
    values = {"text": "t", "flag": True, "number": 1, "part": 0.5, "list": ["a", "b"]}
    outer = scope.start_span("outer", None, SpanKind.SERVER, values, [linked], 1_000_000_000)
    outer.add_event("event", {"e": [1, 2]}, 1_500_000_000)
    inner = scope.start_span("inner", api.set_span_in_context(outer), start_time=1_100_000_000)
    inner.set_status(Status(StatusCode.ERROR, "broken"))
    inner.update_name("renamed")
    inner.end(1_200_000_000)
    outer.end(2_000_000_000)
    return list(memory.get_finished_spans())


def test_exporters_see_our_spans_as_the_sdk_s() -> None:
    """The same JSON, field by field."""
    ours, theirs = told(tracer.TracerProvider), told(TracerProvider)
    assert [json.loads(span.to_json()) for span in ours] == [json.loads(span.to_json()) for span in theirs]
    assert all(isinstance(span, ReadableSpan) for span in ours)


def test_processors_are_told_of_sampled_spans_only() -> None:
    """As by the SDK: what a ratio sampler drops, and we keep for an error, is ours alone."""
    assert told(tracer.TracerProvider, sampler=TraceIdRatioBased(0)) == []
    assert len(told(tracer.TracerProvider, sampler=TraceIdRatioBased(1))) == 2
