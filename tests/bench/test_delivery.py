"""Whether variants delivered what they stand for."""

from __future__ import annotations

from typing import Any

import pytest

from bench.delivery import complaints, fewer, pulled
from bench.variants import ALL, BARE, HANDROLLED, OURS, SIGNALS, UPSTREAM, Variant

REQUESTS = 1000


def line(variant: Variant) -> dict[str, float]:
    """A line of the results in which the variant keeps its promise."""
    return {"spans": variant.promise.spans, "logs": variant.promise.logs, "points": 0.1}


def delivered(variant: Variant, **counted: int) -> dict[str, Any]:
    """What the sink says then, but for what is given."""
    promised = variant.promise.points
    as_promised = {name: round(share * REQUESTS) for name, share in promised.items()}
    return {"point_names": dict.fromkeys(promised, 4), "counted": as_promised | counted}


@pytest.mark.parametrize("variant", ALL, ids=lambda variant: variant.name)
def test_a_variant_that_keeps_its_promise_is_not_complained_of(variant: Variant) -> None:
    """Spans, logs and points came, and the histograms counted every request."""
    assert complaints(variant, line(variant), delivered(variant), REQUESTS) == []


@pytest.mark.parametrize("variant", ALL, ids=lambda variant: variant.name)
def test_what_a_variant_does_not_promise_is_told_as_a_gap(variant: Variant) -> None:
    """A reader of the table learns what is missing; only bare promises nothing and explains nothing."""
    unpromised = {signal for signal in SIGNALS if not getattr(variant.promise, signal)}
    assert not unpromised or variant is BARE or variant.gaps


@pytest.mark.parametrize("variant", [OURS, UPSTREAM], ids=lambda variant: variant.name)
@pytest.mark.parametrize("signal", ["spans", "logs"])
@pytest.mark.parametrize("kept", [0.0, 0.4, 0.9])
def test_a_part_of_a_signal_that_does_not_arrive_is_a_complaint(variant: Variant, signal: str, kept: float) -> None:
    """With a tenth of its spans or logs lost a variant would be cheaper, and no result."""
    full = line(variant)
    (said,) = complaints(variant, {**full, signal: full[signal] * kept}, delivered(variant), REQUESTS)
    assert (
        said == f"{variant.name} delivered {full[signal] * kept:g} {signal} per request, {full[signal]:g} are promised"
    )


@pytest.mark.parametrize("counted", [0, 900, 1100])
def test_requests_that_metrics_missed_are_a_complaint(counted: int) -> None:
    """The duration histogram must have counted all requests, and none twice."""
    found = delivered(OURS, **{"http.server.request.duration": counted})
    assert complaints(OURS, line(OURS), found, REQUESTS) == [
        f"ours counted {counted} in http.server.request.duration, where 1000 requests make 1000"
    ]


@pytest.mark.parametrize("name", OURS.promise.points)
def test_a_promised_metric_that_does_not_arrive_is_a_complaint(name: str) -> None:
    """That nothing was counted is no way around the check."""
    found = delivered(OURS)
    for kind in ("point_names", "counted"):
        del found[kind][name]
    assert complaints(OURS, line(OURS), found, REQUESTS) == [f"ours delivered no point of {name}"]


def test_a_variant_of_which_nothing_arrived_breaks_each_promise() -> None:
    """The sink has never heard of it."""
    found = complaints(OURS, {"spans": 0.0, "logs": 0.0, "points": 0.0}, {}, REQUESTS)
    assert len(found) == len(("spans", "logs")) + len(OURS.promise.points)


def test_unreadable_payloads_are_a_complaint() -> None:
    """What the sink can't decode was not delivered."""
    found = {**delivered(OURS), "bad": 2}
    assert complaints(OURS, line(OURS), found, REQUESTS) == ["ours sent 2 payloads that can't be read"]


def test_a_variant_is_held_to_its_own_signals_only() -> None:
    """A stack without traces is compared all the same; that it gives fewer is said beside it."""
    assert complaints(HANDROLLED, line(HANDROLLED), delivered(HANDROLLED), REQUESTS) == []
    assert fewer(line(HANDROLLED), line(OURS)) == ["spans", "logs"]


def test_an_exposition_is_counted_as_the_sink_counts() -> None:
    """Samples by metric, and what its histograms counted over all their series."""
    found = pulled(
        [
            "# TYPE duration histogram",
            'duration_bucket{le="1",code="200"} 3.0',
            'duration_count{code="200"} 5.0',
            'duration_sum{code="200"} 0.2',
            'duration_count{code="500"} 2.0',
            "up 1.0",
        ]
    )
    assert found == {"points": 5, "point_names": {"duration": 4, "up": 1}, "counted": {"duration": 7}}
