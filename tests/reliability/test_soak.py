"""Under steady load nothing grows.

RELIABILITY_SOAK_SECONDS says how long (default 300), RELIABILITY_SOAK_RATE how many requests a second (default 200).
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from signal import SIGTERM
from urllib.parse import urlsplit

import pytest

from tests.reliability.case import STEADY, Case
from tests.reliability.resource_use import Sample, growth, sample
from tests.reliability.trial import Trial, Venue

_SECONDS = float(os.environ.get("RELIABILITY_SOAK_SECONDS", "300"))
_RATE = float(os.environ.get("RELIABILITY_SOAK_RATE", "200"))
_SAMPLES = 100
_MOST = 0.01


@pytest.mark.reliability
def test_nothing_grows(venue: Venue) -> None:
    """Memory, threads, open files and series of a web process, over the second half of the time."""
    samples: list[Sample] = []

    def watch(trial: Trial) -> None:
        began = time.monotonic()
        for number in range(1, _SAMPLES + 1):
            time.sleep(max(0.0, began + number * _SECONDS / _SAMPLES - time.monotonic()))
            series = trial.station.prometheus.total(f'count({{job="{trial.service}"}})')
            samples.append(sample(trial.server.process.pid, series, urlsplit(trial.url).port or 0))

    load = replace(STEADY, rate=_RATE)
    case = Case(f"soak, {_SECONDS:g} s", "uvicorn {web} --port {port}", load, SIGTERM, codes=(-SIGTERM,))
    trial = Trial(case, venue, watch)
    trial.run()
    grown = growth(samples)
    trial.outcome.problems += [f"{name} grew by {part:.1%}" for name, part in grown.items() if part > _MOST]
    assert trial.outcome.problems == [], samples[len(samples) // 2 :: 10]
