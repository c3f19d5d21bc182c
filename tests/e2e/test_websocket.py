"""A WebSocket is one span and one line when it ends, and no request that took minutes."""

from __future__ import annotations

from tests.e2e.evidence import lines_of, only, trace_of
from tests.e2e.loki import Loki
from tests.e2e.prometheus import Prometheus
from tests.e2e.shop import Shop
from tests.e2e.trace_store import TraceStore
from tests.e2e.waiting import wait_for

LABELS = '{http_route="/ws/chat"}'


def test_a_chat(shop: Shop, loki: Loki, traces: TraceStore, request_id: str) -> None:
    """The connection's span counts the messages; its lines carry the id of the handshake."""
    assert shop.chat(request_id, ["hello", "is there tea?"]) == ["hello", "is there tea?"]
    lines = lines_of(loki, request_id, "chat opened", "chat closed after 2 messages", "connection_completed")
    (trace_id,) = {line.labels["trace_id"] for line in lines}
    server = only(trace_of(traces, trace_id, "WS /ws/chat"), "SERVER")
    assert server.status == "UNSET"
    assert server.attributes["websocket.messages.received"] == 3
    assert server.attributes["websocket.messages.sent"] == 2


def test_connections_do_not_ruin_latency(shop: Shop, prometheus: Prometheus, request_id: str) -> None:
    """Connections have a histogram of their own; that of requests does not know them."""
    shop.chat(request_id, ["hello"])
    sent = shop.sent["WS", "/ws/chat"]
    series = f"websocket_server_connection_duration_seconds_count{LABELS}"
    wait_for(lambda: prometheus.total(series) >= sent, series)
    assert prometheus.increase(series) == sent
    assert prometheus.query(f"http_server_request_duration_seconds_count{LABELS}") == []
