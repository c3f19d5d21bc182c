"""A streamed answer is measured to its last byte, and to its first."""

from __future__ import annotations

from tests.e2e.evidence import line_of, only, trace_of
from tests.e2e.loki import Loki
from tests.e2e.prometheus import Prometheus
from tests.e2e.shop import Shop
from tests.e2e.trace_store import Span, TraceStore
from tests.e2e.waiting import wait_for

SIZE = 300_000
ROUTE = "/download/{size}"
LABELS = '{http_route="/download/{size}"}'


def download(shop: Shop, request_id: str, byte_range: str = "") -> int:
    """Download, or the asked part; return how many bytes came."""
    headers = {"range": byte_range} if byte_range else {}
    answer = shop.request("GET", ROUTE, request_id, path=f"/download/{SIZE}", headers=headers)
    assert answer.status_code == (206 if byte_range else 200)
    return len(answer.content)


def server_span(loki: Loki, traces: TraceStore, request_id: str) -> Span:
    """Open the request's trace from its access line."""
    trace_id = line_of(loki, request_id, "request_completed").labels["trace_id"]
    return only(trace_of(traces, trace_id, f"GET {ROUTE}"), "SERVER")


def test_a_whole_file(shop: Shop, loki: Loki, traces: TraceStore, request_id: str) -> None:
    """The span lasts until the last byte, and says how many there were and when the first one left."""
    assert download(shop, request_id) == SIZE
    span = server_span(loki, traces, request_id)
    assert span.attributes["http.response.body.size"] == SIZE
    assert 0 < span.attributes["http.response.time_to_first_byte"] <= (span.end - span.start) / 1e9


def test_a_part_of_a_file(shop: Shop, loki: Loki, traces: TraceStore, request_id: str) -> None:
    """A range request is a 206 with the bytes that were asked for."""
    assert download(shop, request_id, "bytes=100000-199999") == 100_000
    span = server_span(loki, traces, request_id)
    assert span.attributes["http.response.status_code"] == 206
    assert span.attributes["http.response.body.size"] == 100_000


def test_bytes_are_summed(shop: Shop, prometheus: Prometheus, request_id: str) -> None:
    """The size histogram's sum grows by exactly the bytes sent."""
    series = f"http_server_response_body_size_bytes_sum{LABELS}"
    counted = f"http_server_response_body_size_bytes_count{LABELS}"
    wait_for(lambda: prometheus.total(counted) >= shop.sent["GET", ROUTE], counted)
    before = prometheus.total(series)
    download(shop, request_id)
    wait_for(lambda: prometheus.total(counted) >= shop.sent["GET", ROUTE], counted)
    assert prometheus.total(series) - before == SIZE
