"""A collector that is broken: the application does not notice, exits in time, and all arrives later or is counted."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from signal import SIGKILL, SIGTERM
from statistics import median

import pytest

from otel_distro.pipeline.collection import CHECKPOINT_SECONDS
from tests.e2e.waiting import wait_for
from tests.reliability import fault
from tests.reliability.case import ITEMS, REQUESTS, STEADY, Case
from tests.reliability.fault import Behaviour, Way
from tests.reliability.trial import Trial, Venue

_DEADLINE = 2.0
"""OTEL_DISTRO_SHUTDOWN_TIMEOUT."""
_OWN = 1.5
"""What uvicorn takes for its graceful end, and this machine for all else."""
_LATER = 0.3
_RUNS = 7
_FAILED = re.compile("(?:can't|could not) be delivered")
"""One line, also where it is three signals that fail."""
_Case = partial(Case, command="uvicorn {web} --port {port}", load=REQUESTS, end=SIGTERM, codes=(-SIGTERM,))

pytestmark = pytest.mark.reliability


@pytest.mark.parametrize(
    ("name", "behaviour"),
    [
        ("hangs", fault.hangs),
        ("answers byte by byte", fault.drips),
        ("answers 503", fault.is_busy),
        ("answers garbage", fault.babbles),
        ("hangs, gRPC", fault.hangs),
        ("answers garbage, gRPC", fault.babbles),
    ],
)
def test_all_arrives_when_it_is_mended(venue: Venue, name: str, behaviour: Behaviour) -> None:
    """What the process could not send in time is on disk, and the next one sends it; metrics, too."""
    grpc = name.endswith("gRPC")
    with Way(venue.station.grpc_endpoint if grpc else venue.station.endpoint).open() as way:
        way.behave(behaviour)
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": way.url}
        trial = Trial(_Case(f"collector {name}", environment=environment, grpc=grpc), venue)
        trial.end()
        way.behave(None)
        trial.succeed()
    trial.compare()
    assert trial.outcome.problems == []
    _check_application(trial)


def test_what_is_on_disk_survives_sigkill(venue: Venue) -> None:
    """What was recorded a moment before is lost, the rest is sent by the next process."""
    with Way(venue.station.endpoint).open() as way:
        way.behave(fault.is_busy)
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": way.url}
        killed = partial(_Case, end=SIGKILL, codes=(-SIGKILL,), items=3000)
        trial = Trial(killed("collector answers 503, then SIGKILL", environment=environment), venue)
        trial.end()
        way.behave(None)
        trial.succeed()
    trial.compare()
    assert trial.outcome.problems == []


def test_sigkill_with_metrics_once_a_minute(venue: Venue) -> None:
    """At the default interval nothing was exported yet: what was counted until the last checkpoint arrives."""
    killed = partial(_Case, end=SIGKILL, codes=(-SIGKILL,), load=STEADY, items=2400, late_metrics=CHECKPOINT_SECONDS)
    trial = Trial(killed("SIGKILL, metrics once a minute", environment={"OTEL_METRIC_EXPORT_INTERVAL": "60000"}), venue)
    trial.end()
    trial.succeed()
    trial.compare()
    assert trial.outcome.problems == []
    assert min(trial.ledger.done.values()) < trial.outcome.until - CHECKPOINT_SECONDS


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_disk_that_takes_nothing(venue: Venue, how: str) -> None:
    """What the collector does not take waits in memory then; one line a signal says why."""

    def mend(trial: Trial) -> None:
        trial.wait_for_items(ITEMS)
        way.behave(None)
        trial.wait_for_arrival()

    disk = venue.folder / "disk"
    disk.mkdir()
    with Way(venue.station.endpoint).open() as way:
        way.behave(fault.is_busy)
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": way.url, "OTEL_DISTRO_SPOOL_DIR": str(disk)}
        trial = Trial(_Case(f"collector answers 503, disk {how}", environment=environment), venue, mend)
        options = "size=16k,mode=700" if how == "full" else "ro"
        mount = f'mount -t tmpfs -o {options} none {disk} && exec "$@"'
        trial.server.command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh", *trial.server.command]
        trial.run()
    assert trial.outcome.problems == []
    _check_application(trial)
    assert len(re.findall("OTEL_DISTRO_SPOOL_DIR=.*traces can't wait on disk", trial.server.text)) == 1


def test_what_is_refused_is_counted(venue: Venue) -> None:
    """An error that is not to be tried again: the metrics, which arrive, say how many spans and lines are lost."""

    def refused(trial: Trial) -> None:
        trial.wait_for_items(ITEMS)
        for signal in ("traces", "logs"):
            labels = f'job="{trial.service}",otel_distro_signal="{signal}",otel_distro_drop_cause="refused"'
            counted = partial(venue.station.prometheus.total, f"otel_distro_records_dropped_total{{{labels}}}")
            wait_for(lambda counted=counted: counted() >= ITEMS, f"{ITEMS} {signal} that are refused")

    with Way(venue.station.endpoint).open() as way:
        way.behave(fault.fails)
        places = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{way.url}/v1/traces",
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": f"{way.url}/v1/logs",
        }
        trial = Trial(_Case("collector answers 500, which is final", environment=places), venue, refused)
        trial.outcome.until = 0.0
        trial.run()
    assert trial.outcome.problems == []
    _check_application(trial)


def test_a_script_ends_at_once_without_a_collector(venue: Venue, tmp_path: Path) -> None:
    """Its exit takes as long as without us, one line says why nothing arrived, and the next process sends all of it."""
    way = Way(venue.station.endpoint)  # not open yet
    case = Case(
        "collector down for good, short script",
        f"{{script}} tells {ITEMS}",
        environment={"OTEL_EXPORTER_OTLP_ENDPOINT": way.url},
    )
    later, last = [], _RUNS - 1
    for number in range(_RUNS):
        seconds = []
        for bare in (True, False):
            folder = tmp_path / f"{number}-{bare}"
            folder.mkdir()
            trial = Trial(case, venue._replace(folder=folder, rows=venue.rows if number == last else []), bare=bare)
            trial.end()
            [told] = re.findall(r"^told (\d+\.\d+)$", trial.server.text, re.MULTILINE)
            seconds.append(trial.ended_at - float(told))
        assert len(_FAILED.findall(trial.server.text)) == 1, trial.server.text
        later.append(seconds[1] - seconds[0])
    assert median(later) < _LATER, later
    with way.open():
        trial.end()  # once more, in the same folder
        trial.wait_for_arrival()
        trial.compare()
    assert trial.outcome.problems == []


def _check_application(trial: Trial) -> None:
    assert {answer.status for answer in trial.clients.answers} == {200}
    assert trial.ending < _DEADLINE + _OWN
    assert len(_FAILED.findall(trial.server.text)) == 1, trial.server.text
