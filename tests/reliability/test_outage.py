"""A collector that goes away and comes back: everything arrives, and the application is as fast as before."""

from __future__ import annotations

import time
from signal import SIGTERM
from statistics import median, quantiles

import pytest

from tests.reliability.case import ITEMS, STEADY, Case
from tests.reliability.resource_use import sample
from tests.reliability.trial import Trial, Venue

_DOWN_SECONDS = 60.0
_BUFFERS = 3 * 32 * 2**20
"""OTEL_DISTRO_BUFFER_BYTES, for each signal."""
_PAIRS = 9
_PAIR_SECONDS = 4.0
_SLOWER = 1.15
_UVICORN = "uvicorn {web} --port {port}"

pytestmark = pytest.mark.reliability


def test_a_minute_without_a_collector(venue: Venue) -> None:
    """All that was recorded meanwhile arrives when it is back, under 200 requests a second, within the buffers."""
    held: list[float] = []

    def outage(trial: Trial) -> None:
        trial.wait_for_items(ITEMS)
        held.append(sample(trial.server.process.pid).rss)
        trial.station.collector.stop()
        until = time.monotonic() + _DOWN_SECONDS
        while time.monotonic() < until:
            time.sleep(1.0)
            held.append(sample(trial.server.process.pid).rss)
        trial.station.collector.start()
        trial.ledger.read()
        trial.wait_for_arrival()

    case = Case("collector down for 60 s under 200 requests/s", _UVICORN, STEADY, SIGTERM, codes=(-SIGTERM,))
    trial = Trial(case, venue, outage)
    trial.run()
    if max(held) > held[0] + _BUFFERS:
        trial.outcome.problems.append(f"{(max(held) - held[0]) / 2**20:.0f} MiB more memory")
    assert trial.outcome.problems == []
    assert {answer.status for answer in trial.clients.answers} == {200}


def test_requests_are_as_fast_without_a_collector(venue: Venue) -> None:
    """The p99 of the requests of pairs of some seconds each, with and without: the median of their ratios."""
    ratios: list[float] = []

    def pairs(trial: Trial) -> None:
        for _ in range(_PAIRS):
            there = _p99(trial)
            trial.station.collector.stop()
            ratios.append(_p99(trial) / there)
            trial.station.collector.start()

    case = Case("collector down and up, 200 requests/s", _UVICORN, STEADY, SIGTERM, codes=(-SIGTERM,))
    trial = Trial(case, venue, pairs)
    trial.run()
    assert trial.outcome.problems == []
    assert median(ratios) < _SLOWER, ratios


def _p99(trial: Trial) -> float:
    """Of the answers of the next seconds."""
    first = len(trial.clients.answers)
    time.sleep(_PAIR_SECONDS)
    return quantiles([answer.seconds for answer in trial.clients.answers[first:]], n=100)[98]
