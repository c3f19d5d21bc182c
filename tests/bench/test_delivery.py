"""Whether variants delivered what they stand for."""

from __future__ import annotations

from bench.delivery import complaints, fewer
from bench.variants import HANDROLLED, OURS

FULL = {"spans": 2.68, "logs": 2.62, "points": 0.1}


def test_a_variant_that_delivers_all_its_signals_is_not_complained_of() -> None:
    """Spans, logs and points came, and the histogram counted every request."""
    assert complaints(OURS, FULL, {"counted": {"http.server.request.duration": 1000}}, 1000) == []


def test_a_signal_that_does_not_arrive_is_a_complaint() -> None:
    """Without logs ours would be cheap, and no result."""
    assert complaints(OURS, {**FULL, "logs": 0.0}, {}, 1000) == ["ours delivered 0 logs per request"]


def test_requests_that_metrics_missed_are_a_complaint() -> None:
    """The duration histogram must have counted all requests."""
    counted = {"counted": {"http.server.request.duration": 900}}
    assert complaints(OURS, FULL, counted, 1000) == [
        "ours counted 900 requests of 1000 in http.server.request.duration"
    ]


def test_unreadable_payloads_are_a_complaint() -> None:
    """What the sink can't decode was not delivered."""
    assert complaints(OURS, FULL, {"bad": 2}, 1000) == ["ours sent 2 payloads that can't be read"]


def test_a_variant_is_held_to_its_own_signals_only() -> None:
    """A stack without traces is compared all the same; that it gives fewer is said beside it."""
    line = {"spans": 0.0, "logs": 0.0, "points": 0.1}
    assert complaints(HANDROLLED, line, {}, 1000) == []
    assert fewer(line, FULL) == ["spans", "logs"]
