"""A collector that goes away and comes back: everything arrives or is counted, and the application is as fast."""

from __future__ import annotations

import time
from functools import partial
from math import inf
from signal import SIGTERM
from statistics import median, quantiles

import pytest

from tests.e2e.waiting import wait_for
from tests.reliability.app.naming import COUNTER_IN_PROMETHEUS
from tests.reliability.case import ITEMS, STEADY, Case
from tests.reliability.load import Answer
from tests.reliability.resource_use import sample
from tests.reliability.trial import Trial, Venue

_DOWN_SECONDS = 60.0
_WARM_ITEMS = 4 * ITEMS
_BUFFER = 2**20
"""OTEL_DISTRO_BUFFER_BYTES: small, so that a minute's telemetry is many times as much."""
_BUFFERS = 4 * _BUFFER
"""Of records to be encoded, and of batches of each signal."""
_OWN = 4 * 2**20
"""By how much a warm process may vary for reasons of its own. Measured: with the buffers 1.0 MiB in all with a spool
and 2.4 without one; 14.3 where a queue's bound is a thousand times as much."""
_OTHERS = 10
"""Lines besides those of requests that may be dropped. Seen: 0 and 4, of which 3 may be our own; the fourth is not
explained."""
_LEAST_RATE = 0.95 * STEADY.rate
_PAIRS = 9
_PAIR_SECONDS = 4.0
_SLOWER = 1.15
_Case = partial(Case, command="uvicorn {web} --port {port}", load=STEADY, end=SIGTERM, codes=(-SIGTERM,))

pytestmark = pytest.mark.reliability


class Outage:
    """Of a minute, of a collector whose application is warm; then waits until what waited has arrived."""

    def __init__(self) -> None:
        self.grown = 0.0
        """By how much the application's memory grew meanwhile, in bytes."""
        self.answers: list[Answer] = []

    def __call__(self, trial: Trial) -> None:
        """Have it."""
        trial.wait_for_items(_WARM_ITEMS)
        process = trial.server.process.pid
        before = sample(process).rss
        trial.station.collector.stop()
        began = time.monotonic()
        while time.monotonic() < began + _DOWN_SECONDS:
            time.sleep(0.5)
            self.grown = max(self.grown, sample(process).rss - before)
        trial.station.collector.start()
        wait_for(lambda: trial.clients.within(began + _DOWN_SECONDS + 1, 1.0), "answers to what was due later")
        self.answers = trial.clients.within(began, _DOWN_SECONDS)
        trial.ledger.read()
        trial.wait_for_arrival(120)

    def check(self, trial: Trial) -> None:
        """Whether the load was as it should be, no request failed, and memory was bounded."""
        statuses = {answer.status for answer in self.answers}
        rate = len(self.answers) / _DOWN_SECONDS
        problems = trial.outcome.problems
        if statuses != {200}:
            problems.append(f"answers: {statuses}")
        if rate < _LEAST_RATE:
            problems.append(f"only {rate:.0f} answers a second")
        if self.grown > _BUFFERS + _OWN:
            problems.append(f"{self.grown / 2**20:.1f} MiB more memory")
        assert problems == []


def test_a_minute_without_a_collector(venue: Venue) -> None:
    """All that was recorded meanwhile arrives when it is back, under 200 requests a second, within the buffers."""
    outage = Outage()
    small = {"OTEL_DISTRO_BUFFER_BYTES": str(_BUFFER)}
    trial = Trial(_Case("collector down for 60 s under 200 requests/s", environment=small), venue, outage)
    trial.run()
    outage.check(trial)


def test_a_minute_without_a_collector_and_a_spool(venue: Venue) -> None:
    """What memory does not hold is counted: all that was done has arrived, or is among what was dropped."""
    outage = Outage()
    small = {"OTEL_DISTRO_BUFFER_BYTES": str(_BUFFER), "OTEL_DISTRO_SPOOL_MAX_BYTES": "0"}
    trial = Trial(_Case("collector down for 60 s, no spool, 200 requests/s", environment=small), venue, outage)
    trial.outcome.until = 0.0  # what was done may be lost, but is counted then
    trial.run()
    _compare_with_dropped(trial)
    outage.check(trial)


def _compare_with_dropped(trial: Trial) -> None:
    """Each request has one span and two lines; its count does not depend on either. A few lines are of others."""
    service, outcome, done = trial.station.arrivals.of(trial.service), trial.outcome, trial.outcome.sent
    arrived = {"traces": len(service.spans), "logs": len(service.lines) + len(service.completed)}
    for signal, wanted, most in (("traces", done, done), ("logs", 2 * done, 2 * done + _OTHERS)):
        labels = f'otel_distro_signal="{signal}"'
        dropped = trial.station.counted(f"otel_distro_records_dropped_total{{{labels}}}", trial.service)
        if not dropped or not wanted <= arrived[signal] + dropped <= most:
            outcome.problems.append(f"{signal}: {arrived[signal]} arrived and {dropped:g} were dropped of {wanted}")
    outcome.until = inf
    outcome.compare_count("items", trial.station.counted(f"{COUNTER_IN_PROMETHEUS}{{}}", trial.service))


def test_requests_are_as_fast_without_a_collector(venue: Venue) -> None:
    """The p99 of the requests of pairs of some seconds each, with and without: the median of their ratios."""
    ratios: list[float] = []

    def pairs(trial: Trial) -> None:
        for _ in range(_PAIRS):
            there = _p99(trial)
            trial.station.collector.stop()
            ratios.append(_p99(trial) / there)
            trial.station.collector.start()

    trial = Trial(_Case("collector down and up, 200 requests/s"), venue, pairs)
    trial.run()
    assert trial.outcome.problems == []
    assert median(ratios) < _SLOWER, ratios


def _p99(trial: Trial) -> float:
    """Of the answers to what was due in the next seconds."""
    began = time.monotonic()
    wait_for(lambda: trial.clients.within(began + _PAIR_SECONDS, _PAIR_SECONDS), "answers", 10 * _PAIR_SECONDS)
    answers = trial.clients.within(began, _PAIR_SECONDS)
    assert len(answers) > _LEAST_RATE * _PAIR_SECONDS, f"{len(answers)} answers"
    return quantiles([answer.seconds for answer in answers], n=100)[98]
