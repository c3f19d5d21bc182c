"""Engines of real databases, instrumented."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from otel_distro.instrumentation.sqlalchemy import SqlalchemyInstrumentor
from tests.e2e.postgres import Postgres
from tests.e2e.server import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from sqlalchemy.engine import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from tests.conftest import Telemetry

metadata = MetaData()
ORDERS = Table("orders", metadata, Column("id", Integer, primary_key=True), Column("email", String(100), unique=True))


@pytest.fixture
def instrumented(telemetry: Telemetry) -> Iterator[SqlalchemyInstrumentor]:
    """SQLAlchemy, instrumented for this test."""
    instrumentor = SqlalchemyInstrumentor()
    instrumentor.instrument()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


@pytest.fixture
def engine(tmp_path: Path, instrumented: SqlalchemyInstrumentor, telemetry: Telemetry) -> Iterator[Engine]:
    """A SQLite database in a file, with an empty table `orders`."""
    made = create_engine(f"sqlite:///{tmp_path}/shop.db")
    metadata.create_all(made)
    telemetry.clear()
    yield made
    made.dispose()


@pytest.fixture
async def async_engine(
    tmp_path: Path, instrumented: SqlalchemyInstrumentor, telemetry: Telemetry
) -> AsyncIterator[AsyncEngine]:
    """The same through aiosqlite."""
    made = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/shop.db")
    async with made.begin() as connection:
        await connection.run_sync(metadata.create_all)
    telemetry.clear()
    yield made
    await made.dispose()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL server; without one on the machine the tests that need it fail and say so."""
    server = Postgres(tmp_path_factory.mktemp("postgres"), *free_ports(1))
    server.server.start()
    yield server
    server.stop()
