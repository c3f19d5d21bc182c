"""Method A: the order of bursts, and what becomes of their measurements."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from bench.interleaved import Burst, Record, order, ratio, summary
from bench.variants import BARE, OURS
from bench.wire import Load


def load(requests: int = 100) -> Load:
    return Load(requests, 1.0, 0, {"200": requests}, 10.0, 20.0, 30.0, 40.0)


def record(variant: object, cpu: list[float]) -> Record:
    """One burst a round, of so many seconds of CPU for 100 requests."""
    return Record(
        variant,  # type: ignore[arg-type]
        starts=[1.0],
        rounds=[[Burst(load(), seconds)] for seconds in cpu],
        rss=90.0,
        requests=1000,
    )


@pytest.mark.parametrize("others", [1, 2, 4, 11])
def test_a_round_has_each_variant_once_and_bare_before_each_third(others: int) -> None:
    """Nobody follows itself, since a variant's CPU is read again during the next burst."""
    names = ["bare", *(f"peer{number}" for number in range(others))]
    found = order(names, random.Random(1))
    assert sorted(set(found)) == sorted(names)
    assert len(found) - found.count("bare") == others
    assert 1 <= found.count("bare") <= 3
    assert found[0] == "bare" != found[-1]
    assert all(first != second for first, second in pairwise(found))


def test_ratios_are_to_bare_of_the_same_round() -> None:
    """A second round on a machine of half the speed changes no ratio."""
    bare, ours = record(BARE, [0.2, 0.4]), record(OURS, [0.22, 0.44])
    assert ratio(ours, bare).low == pytest.approx(1.1)
    assert ratio(ours, bare).high == pytest.approx(1.1)


def test_a_line_of_the_result_has_the_fields_that_readers_expect() -> None:
    """`latest.json` has these keys for each variant, and no others."""
    line = summary(record(OURS, [0.22]), record(BARE, [0.2]), {"spans": 2500, "logs": 2600, "points": 10})
    assert line == {
        "cpu_us": 2200.0,
        "ratio": 1.1,
        "overhead_us": 200.0,
        "rps": 100.0,
        "p50_ms": 10.0,
        "p99_ms": 30.0,
        "spans": 2.5,
        "logs": 2.6,
        "points": 0.01,
        "rss_mb": 90.0,
        "start_cpu_s": 1.0,
    }
