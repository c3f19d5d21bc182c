"""A collector that is broken: the application does not notice, exits in time, and all arrives later or is counted."""

from __future__ import annotations

from signal import SIGTERM

import pytest

from tests.e2e.waiting import wait_for
from tests.reliability import fault
from tests.reliability.case import ITEMS, REQUESTS, Case
from tests.reliability.fault import Behaviour, Way
from tests.reliability.trial import Trial, Venue

_DEADLINE = 2.0
"""OTEL_DISTRO_SHUTDOWN_TIMEOUT."""
_OWN = 1.5
"""What uvicorn takes for its graceful end, and this machine for all else."""
_DROPPED = 'otel_distro_records_dropped_total{{job="{service}",signal="{signal}",cause="refused"}}'
_UVICORN = "uvicorn {web} --port {port}"

pytestmark = pytest.mark.reliability


@pytest.mark.parametrize(
    ("name", "behaviour"),
    [
        ("hangs", fault.hangs),
        ("answers byte by byte", fault.drips),
        ("answers 503", fault.is_busy),
        ("answers garbage", fault.babbles),
    ],
)
def test_all_arrives_when_it_is_mended(venue: Venue, name: str, behaviour: Behaviour) -> None:
    """What the process could not send in time is on disk, and the next one sends it; metrics, too."""
    with Way(venue.station.endpoint).open() as way:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": way.url}
        way.behave(behaviour)
        case = Case(f"collector {name}", _UVICORN, REQUESTS, SIGTERM, codes=(-SIGTERM,), environment=environment)
        trial = Trial(case, venue)
        trial.end()
        way.behave(None)
        trial.succeed()
    trial.compare()
    assert trial.outcome.problems == []
    _check_application(trial)


def test_what_is_refused_is_counted(venue: Venue) -> None:
    """An error that is not to be tried again: the metrics, which arrive, say how many spans and lines are lost."""

    def refused(trial: Trial) -> None:
        trial.wait_for_items(ITEMS)
        for signal in ("traces", "logs"):
            counter = _DROPPED.format(service=trial.service, signal=signal)
            wait_for(lambda: venue.station.prometheus.total(counter) >= ITEMS, f"{ITEMS} of {counter}")  # noqa: B023

    with Way(venue.station.endpoint).open() as way:
        way.behave(fault.fails)
        places = {
            f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT": f"{way.url}/v1/{signal.lower()}" for signal in ("TRACES", "LOGS")
        }
        case = Case("collector answers 500", _UVICORN, REQUESTS, SIGTERM, codes=(-SIGTERM,), environment=places)
        trial = Trial(case, venue, refused)
        trial.outcome.until = 0.0
        trial.run()
    assert trial.outcome.problems == []
    _check_application(trial)


def _check_application(trial: Trial) -> None:
    assert {answer.status for answer in trial.clients.answers} == {200}
    assert trial.ending < _DEADLINE + _OWN
    for signal in ("traces", "logs"):
        assert trial.server.text.count(f"{signal} can't be delivered") == 1
