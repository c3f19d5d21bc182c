"""Method B: from blocks to the record."""

from __future__ import annotations

from typing import Any

import pytest

from bench.paired import certainty, complaints, summary

FOUND = {
    "blocks": {"bare": [2000, 3000, 1000], "ours": [2150, 3150, 1150]},
    "thread_us": {"bare": 0.0, "ours": 50.0},
    "sent": {"bare": 1000, "ours": 1000},
}
DELIVERED: dict[str, dict[str, Any]] = {
    "ours": {"spans": 2680, "logs": 2620, "counted": {"http.server.request.duration": 1000}}
}


def test_overhead_is_the_median_of_paired_blocks_plus_the_threads() -> None:
    """150 µs on the path in every round and 50 µs of threads are 10 % of a bare request of 2,000 µs."""
    assert summary(FOUND) == {
        "ours": {"over_pct": 10.0, "over_pct_low": 10.0, "over_pct_high": 10.0, "path_us": 150.0, "thread_us": 50.0}
    }
    assert certainty(FOUND)["ours"] == {"over_pct_from": 10.0, "over_pct_to": 10.0}


def test_full_delivery_has_no_complaints() -> None:
    """Spans, logs and durations of all requests came."""
    assert complaints(FOUND, DELIVERED) == []


@pytest.mark.parametrize("lost", ["spans", "logs", "counted"])
def test_a_lost_signal_is_a_complaint(lost: str) -> None:
    """Each signal is checked for itself."""
    without = {"ours": {name: value for name, value in DELIVERED["ours"].items() if name != lost}}
    assert len(complaints(FOUND, without)) == 1


@pytest.mark.parametrize("lost", ["spans", "logs"])
def test_a_tenth_of_a_signal_lost_is_a_complaint(lost: str) -> None:
    """Each set-up has a least of its own for each signal."""
    assert len(complaints(FOUND, {"ours": {**DELIVERED["ours"], lost: DELIVERED["ours"][lost] * 0.9}})) == 1
