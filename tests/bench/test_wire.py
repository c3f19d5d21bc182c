"""The sink and the load, as real programs."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.request import Request, urlopen

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from bench.wire import Sink, send

pytestmark = pytest.mark.integration


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A running sink."""
    running = Sink()
    yield running
    running.stop()


def post(sink: Sink, path: str, body: bytes, **headers: str) -> int:
    request = Request(f"http://127.0.0.1:{sink.port}{path}", body, headers)
    with urlopen(request, timeout=10) as answer:
        status: int = answer.status
    return status


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_spans_of_upstreams_exporters_are_counted_by_variant(sink: Sink, protocol: str) -> None:
    """Both transports arrive at the same port, with the variant in a header."""
    headers = {"x-bench-variant": "peer"}
    exporter = (
        HttpExporter(f"http://127.0.0.1:{sink.port}/v1/traces", headers=headers)
        if protocol == "http"
        else GrpcExporter(f"http://127.0.0.1:{sink.port}", insecure=True, headers=headers)
    )
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.get_tracer("scope").start_span("GET /items").end()
    provider.shutdown()
    found = sink.counts()["peer"]
    assert found["span_names"] == {"scope|GET /items": 1}
    assert (found["spans"], found["bad"]) == (1, 0)


def test_log_records_are_counted_with_and_without_a_trace(sink: Sink) -> None:
    """An all-zero trace id is none."""
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    records.add(trace_id=b"\1" * 16)
    records.add(trace_id=b"\0" * 16)
    records.add()
    post(sink, "/v1/logs", request.SerializeToString())
    found = sink.counts()["unnamed"]
    assert (found["logs"], found["logs_with_trace"]) == (3, 1)


def test_points_are_counted_by_metric_and_histograms_by_what_they_counted(sink: Sink) -> None:
    """A cumulative histogram says its total each time: the last word counts."""
    for total in (5, 7):
        request = ExportMetricsServiceRequest()
        metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="duration")
        metric.histogram.aggregation_temporality = 2
        metric.histogram.data_points.add(count=total)
        metric.histogram.data_points.add(count=1)
        post(sink, "/v1/metrics", request.SerializeToString())
    found = sink.counts()["unnamed"]
    assert found["point_names"] == {"duration": 4}
    assert found["counted"] == {"duration": 8}


def test_datadogs_traces_are_counted_in_both_versions(sink: Sink) -> None:
    """One trace of two spans: as maps (v0.4), and as arrays after a table of strings (v0.5)."""
    span = b"\x81\xa4name\xa3get"
    post(sink, "/v0.4/traces", b"\x91\x92" + span + span)
    row = b"\x93\x00\x01\xcf\x00\x00\x00\x00\x00\x00\x00\x01"
    post(sink, "/v0.5/traces", b"\x92\x92\xa0\xa3get\x91\x92" + row + row)
    found = sink.counts()["ddtrace"]
    assert (found["spans"], found["bad"]) == (4, 0)


def test_sentrys_envelopes_are_counted(sink: Sink) -> None:
    """A transaction is a span, and so are those in it; log items are log records."""
    transaction = b'{"spans": [{}, {}]}'
    logs = b'{"items": [{"trace_id": "a"}, {}]}'
    envelope = b'{"dsn": "x"}\n{"type": "transaction", "length": %d}\n%s\n' % (len(transaction), transaction)
    envelope += b'{"type": "log", "item_count": 2, "length": %d}\n%s\n' % (len(logs), logs)
    post(sink, "/api/1/envelope/", envelope)
    found = sink.counts()["sentry"]
    assert (found["spans"], found["logs"], found["logs_with_trace"]) == (3, 2, 1)


class Handler(BaseHTTPRequestHandler):
    """Answers as the app does, and counts."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        self.seen[self.path.split("/")[1]] += 1
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(500 if self.path == "/boom" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_POST = do_GET  # noqa: N815 - as above

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """A server in a thread."""
    Handler.seen.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_the_load_is_the_reference_mix(server: ThreadingHTTPServer) -> None:
    """Of 50 requests 40 are items, 5 health, 4 chats and 1 fails; a bounded load ends when they are done."""
    load = send(server.server_port, seconds=60, requests=50, connections=2)
    assert Handler.seen == {"items": 40, "health": 5, "chat": 4, "boom": 1}
    assert (load.requests, load.failed, load.statuses) == (50, 0, {"200": 49, "500": 1})


def test_an_open_loop_keeps_its_rate(server: ThreadingHTTPServer) -> None:
    """About 100 requests a second for two seconds, the same number for the same seed."""
    first = send(server.server_port, seconds=2, rate=100, connections=8, seed=3)
    second = send(server.server_port, seconds=2, rate=100, connections=8, seed=3)
    assert first.requests == second.requests
    assert 150 < first.requests < 250
