"""The servers of the whole run, and the matrix that it fills."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.redis import Redis
from tests.e2e.server import free_ports
from tests.reliability import table
from tests.reliability.ledger import Outcome
from tests.reliability.station import Station
from tests.reliability.trial import Venue


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder as in need of the real servers."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture
def matrix() -> Iterator[list[Outcome]]:
    """The rows of one test, kept at its end: a run that is ended has those of the tests that it did."""
    rows: list[Outcome] = []
    yield rows
    table.keep(rows)


@pytest.fixture(scope="session")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """Collector and Prometheus."""
    running = Station(tmp_path_factory.mktemp("station"))
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis."""
    running = Redis(tmp_path_factory.mktemp("redis"), *free_ports(1))
    running.server.start()
    yield running.url
    running.server.stop()


@pytest.fixture
def venue(station: Station, broker: str, tmp_path: Path, matrix: list[Outcome]) -> Venue:
    """All that a trial needs; RELIABILITY_SEED chooses other random moments."""
    return Venue(station, broker, tmp_path, int(os.environ.get("RELIABILITY_SEED", "1")), matrix)
