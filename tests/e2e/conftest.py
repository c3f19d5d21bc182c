"""The real servers, one of each for the whole run, and the shop that reports to them.

A server that can't be had fails the tests that need it, with the reason; nothing is skipped.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.collector import Collector, Ports
from tests.e2e.loki import Loki
from tests.e2e.postgres import Postgres
from tests.e2e.prometheus import Prometheus
from tests.e2e.redis import Redis
from tests.e2e.server import free_ports
from tests.e2e.shop import Shop
from tests.e2e.tempo import Tempo
from tests.e2e.trace_store import FileTraceStore, TempoTraceStore, TraceStore


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the servers keep their data and logs."""
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def collector_ports() -> Ports:
    """The Collector's ports, known before it starts since Prometheus scrapes it."""
    return Ports.free()


@pytest.fixture(scope="session")
def prometheus(folder: Path, collector_ports: Ports) -> Iterator[Prometheus]:
    """A Prometheus with the shipped configuration."""
    (port,) = free_ports(1)
    running = Prometheus(_room(folder, "prometheus"), port, {"otelcol:8888": collector_ports.metrics})
    running.server.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def loki(folder: Path) -> Iterator[Loki]:
    """A Loki with the shipped configuration."""
    running = Loki(_room(folder, "loki"), *free_ports(2))
    running.server.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def tempo(folder: Path) -> Iterator[Tempo | None]:
    """A Tempo when TEMPO_BIN names one; else the traces are read from the Collector's file."""
    binary = os.environ.get("TEMPO_BIN")
    if not binary:
        yield None
        return
    running = Tempo(_room(folder, "tempo"), binary, *free_ports(1))
    running.server.start()
    yield running
    running.server.process.kill()  # Tempo 3.0 may hang on SIGTERM
    running.server.stop()


@pytest.fixture(scope="session")
def stores(loki: Loki, prometheus: Prometheus, tempo: Tempo | None) -> dict[str, int]:
    """The stores' ports, as the Collector's overlay names them."""
    ports = {"LOKI_HTTP_PORT": _port(loki.url), "PROMETHEUS_PORT": _port(prometheus.url)}
    return ports | ({"TEMPO_OTLP_PORT": tempo.otlp_port} if tempo else {})


@pytest.fixture(scope="session")
def collector(folder: Path, collector_ports: Ports, stores: dict[str, int]) -> Iterator[Collector]:
    """The Collector, started after the stores; it keeps every trace."""
    running = Collector(folder / "collector", collector_ports, stores)
    server = running.server()
    server.start()
    yield running
    server.stop()


@pytest.fixture(scope="session")
def traces(collector: Collector, tempo: Tempo | None) -> TraceStore:
    """The trace store."""
    return TempoTraceStore(tempo.url) if tempo else FileTraceStore(collector.traces)


@pytest.fixture(scope="session")
def redis(folder: Path) -> Iterator[Redis]:
    """The broker."""
    running = Redis(_room(folder, "redis"), *free_ports(1))
    running.server.start()
    yield running
    running.server.stop()


@pytest.fixture(scope="session")
def postgres(folder: Path) -> Iterator[Postgres]:
    """The database."""
    running = Postgres(_room(folder, "postgres"), *free_ports(1))
    running.server.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def shop(folder: Path, collector: Collector, postgres: Postgres, redis: Redis) -> Iterator[Shop]:
    """The shop under `opentelemetry-instrument`, with PostgreSQL and Redis."""
    running = Shop(_room(folder, "shop"), collector, postgres.url, redis.url)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
def request_id() -> str:
    """An id that no other test uses."""
    return f"e2e-{uuid.uuid4().hex}"


def _room(folder: Path, name: str) -> Path:
    room = folder / name
    room.mkdir()
    return room


def _port(url: str) -> int:
    return int(url.rsplit(":", 1)[1])
