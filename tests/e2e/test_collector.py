"""The gateway as it ships: what gets in, what it changes, where it goes, what it keeps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.e2e import otlp
from tests.e2e.collector import Collector, Ports
from tests.e2e.loki import Loki
from tests.e2e.prometheus import Prometheus
from tests.e2e.trace_store import FileTraceStore, TraceStore
from tests.e2e.waiting import wait_for

SECRET = "sk_live_abcdefgh12345678"
DECISION_WAIT = 10
KEPT: dict[str, dict[str, Any]] = {
    "error": {"error": True},
    "5xx": {"http__response__status_code": 503},
    "slow": {"milliseconds": 2500},
    "exemplar": {"otel_distro__exemplar": True},
    "webhook": {"otel_distro__trace_class": "webhook"},
}


@pytest.fixture
def sampling_collector(tmp_path: Path, stores: dict[str, int]) -> Iterator[Collector]:
    """A second Collector that samples as the file ships."""
    running = Collector(tmp_path / "collector", Ports.free(), stores, sampling_percentage=None)
    server = running.server()
    server.start()
    yield running
    server.stop()


def test_spans_of_the_plain_sdk_open_in_the_trace_store(collector: Collector, traces: TraceStore) -> None:
    """OpenTelemetry's own SDK and exporter reach the trace store through the gateway."""
    provider = TracerProvider(shutdown_on_exit=False)
    headers = {"authorization": f"Bearer {collector.token}"}
    provider.add_span_processor(
        SimpleSpanProcessor(OTLPSpanExporter(f"{collector.endpoint}/v1/traces", headers=headers))
    )
    with provider.get_tracer("probe").start_as_current_span("parent") as parent:
        provider.get_tracer("probe").start_span("child").end()
    provider.shutdown()
    trace_id = f"{parent.get_span_context().trace_id:032x}"
    spans = wait_for(lambda: two(traces.trace(trace_id)), "both spans")
    assert {span.name: span.parent_id for span in spans} == {"parent": "", "child": spans[0].span_id}


def two(found: list[Any]) -> list[Any]:
    """Return the list once it has two items."""
    return found if len(found) == 2 else []


def test_lines_are_found_by_request_id(collector: Collector, loki: Loki, request_id: str) -> None:
    """A log record's attributes are Loki's structured metadata, its ids too."""
    trace_id = otlp.trace_id()
    assert collector.send("logs", otlp.logs(otlp.log("hello", trace_id=trace_id, request_id=request_id))) == 200
    (line,) = wait_for(lambda: loki.request(request_id), "the line")
    assert line.text == "hello"
    assert {
        "trace_id": trace_id,
        "service_name": "probe",
        "retention": "standard",
    }.items() <= line.labels.items()


def test_increase_is_exact_at_the_last_sample(collector: Collector, prometheus: Prometheus) -> None:
    """A zero point at the start makes even one export count: increase() equals what was sent."""
    started = time.time_ns() - 3 * 10**9
    assert collector.send("metrics", otlp.metrics(otlp.counter("probe.hits", 7, started, color="red"))) == 200
    wait_for(lambda: prometheus.total("probe_hits_total") == 7, "the counter")
    assert prometheus.increase('probe_hits_total{color="red"}') == 7


def test_metrics_lose_identities(collector: Collector, prometheus: Prometheus) -> None:
    """An id that slipped into a metric's attributes never becomes a label."""
    item = otlp.counter("probe.users", 1, time.time_ns() - 10**9, user__id="4711", color="red")
    assert collector.send("metrics", otlp.metrics(item)) == 200
    (sample,) = wait_for(lambda: prometheus.query("probe_users_total"), "the counter")
    assert sample.labels["color"] == "red"
    assert "4711" not in sample.labels.values()


def test_exemplars_keep_their_ids_only(collector: Collector, prometheus: Prometheus) -> None:
    """An exemplar points to its trace; attributes that rode along with it do not reach Prometheus."""
    trace_id = otlp.trace_id()
    item = otlp.counter("probe.examples", 1, time.time_ns() - 10**9)
    item["sum"]["dataPoints"][-1]["exemplars"] = [otlp.exemplar(trace_id, user__email="alice@example.com")]
    assert collector.send("metrics", otlp.metrics(item)) == 200
    (exemplar,) = wait_for(lambda: prometheus.exemplars("probe_examples_total"), "the exemplar")
    assert exemplar.keys() == {"trace_id", "span_id"}
    assert exemplar["trace_id"] == trace_id


@pytest.mark.parametrize("token", ["wrong", "another", "another-app2"])
def test_a_wrong_token_is_refused(collector: Collector, token: str) -> None:
    """Nothing gets in without one of the tokens in the file."""
    assert collector.send("logs", otlp.logs(otlp.log("no")), token=token) == httpx.codes.UNAUTHORIZED


@pytest.mark.parametrize("events", [[], [{"name": f"paid {SECRET}", "attributes": otlp.pairs({"key": SECRET})}]])
def test_secrets_are_masked_in_spans_and_lines(
    collector: Collector, loki: Loki, traces: TraceStore, request_id: str, events: list[dict[str, Any]]
) -> None:
    """What the app failed to redact is caught here, in attributes, in names, events and text."""
    trace_id = otlp.trace_id()
    failed = {"code": 2, "message": f"no {SECRET}"}
    span = otlp.span(trace_id, card=SECRET) | {"name": f"charge {SECRET}", "status": failed, "events": events}
    collector.send("traces", otlp.traces(span))
    collector.send("logs", otlp.logs(otlp.log(f"charged with {SECRET}", request_id=request_id)))
    (stored,) = wait_for(lambda: traces.trace(trace_id), "the span")
    (line,) = wait_for(lambda: loki.request(request_id), "the line")
    assert stored.name == "charge sk****"
    assert SECRET not in f"{stored} {line} {collector.traces.read_text()}"


def test_a_stack_is_in_the_line_and_the_line_is_kept_longer(collector: Collector, loki: Loki, request_id: str) -> None:
    """Loki refuses big metadata, so a stack moves into the body; errors have their own retention."""
    record = otlp.log("boom", 17, request_id=request_id, exception__stacktrace="Traceback ...\nValueError: x")
    collector.send("logs", otlp.logs(record))
    (line,) = wait_for(lambda: loki.request(request_id), "the line")
    assert line.text == "boom\nTraceback ...\nValueError: x"
    assert line.labels["retention"] == "errors"


def test_sampling_keeps_what_matters(sampling_collector: Collector) -> None:
    """As shipped: every error, slow request, exemplar and webhook, and about a tenth of the rest."""
    store = FileTraceStore(sampling_collector.traces)
    kept = {name: otlp.trace_id() for name in KEPT}
    rest = [otlp.trace_id() for _ in range(1000)]
    marked = [otlp.span(kept[name], **attributes) for name, attributes in KEPT.items()]
    sampling_collector.send("traces", otlp.traces(*marked, *map(otlp.span, rest)))
    wait_for(lambda: {span.trace_id for span in store.spans()} >= set(kept.values()), "the marked traces")
    sampled = {span.trace_id for span in store.spans()} - set(kept.values())
    assert sampled < set(rest)
    assert 50 < len(sampled) < 160


def test_a_late_error_is_kept(sampling_collector: Collector) -> None:
    """A job that fails after its request was already dropped still shows its failure."""
    store = FileTraceStore(sampling_collector.traces)
    trace_id = otlp.trace_id()
    sampling_collector.send("traces", otlp.traces(otlp.span(trace_id)))
    sampling_collector.send("traces", otlp.traces(otlp.span(trace_id, error=True)))
    (*_first, late) = wait_for(lambda: store.trace(trace_id), "the late span")
    assert late.status == "ERROR"
