"""PostgreSQL, by its sync and its async driver."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, event, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from tests.instrumentation.sqlalchemy.conftest import ORDERS, metadata

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy.engine import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from otel_distro.instrumentation.sqlalchemy import SqlalchemyInstrumentor
    from tests.conftest import Telemetry
    from tests.e2e.postgres import Postgres

pytestmark = pytest.mark.integration


@pytest.fixture
def psycopg_engine(postgres: Postgres, instrumented: SqlalchemyInstrumentor, telemetry: Telemetry) -> Iterator[Engine]:
    """PostgreSQL through psycopg, with an empty table `orders`."""
    engine = create_engine(postgres.url.replace("postgresql:", "postgresql+psycopg:"))
    metadata.drop_all(engine)
    metadata.create_all(engine)
    telemetry.clear()
    yield engine
    engine.dispose()


@pytest.fixture
async def asyncpg_engine(postgres: Postgres, psycopg_engine: Engine) -> AsyncIterator[AsyncEngine]:
    """The same database through asyncpg."""
    engine = create_async_engine(postgres.url.replace("postgresql:", "postgresql+asyncpg:"))
    yield engine
    await engine.dispose()


def test_psycopg_spans(psycopg_engine: Engine, telemetry: Telemetry) -> None:
    """Spans tell database, server, rows and text; an IN list of any length is one text."""
    with psycopg_engine.begin() as connection:
        connection.execute(insert(ORDERS), [{"email": "a"}, {"email": "b"}])
        connection.execute(select(ORDERS).where(ORDERS.c.id.in_([1, 2, 3]))).all()
    first, second = telemetry.spans()
    url = psycopg_engine.url
    assert (first.name, first.attributes["db.response.affected_rows"]) == ("BATCH INSERT orders", 2)
    assert second.attributes["db.response.returned_rows"] == 2
    assert second.attributes["db.query.text"].endswith("FROM orders WHERE orders.id IN (?)")
    found = [second.attributes[f"{key}"] for key in ("db.system.name", "db.namespace", "server.address", "server.port")]
    assert found == ["postgresql", "postgres", url.host, url.port]


async def test_asyncpg_spans(asyncpg_engine: AsyncEngine, telemetry: Telemetry) -> None:
    """Each statement has one span, and the pool's one connection is one."""
    async with asyncpg_engine.begin() as connection:
        await connection.execute(insert(ORDERS).values(email="a"))
        await connection.execute(select(ORDERS).where(ORDERS.c.email.in_(["a", "b"])))
        points = telemetry.points("db.client.connection.count")
    used = [p.value for p in points if p.attributes["db.client.connection.state"] == "used"]
    assert [span.name for span in telemetry.spans()] == ["INSERT orders", "SELECT orders"]
    assert telemetry.spans()[1].attributes["db.query.text"].endswith("WHERE orders.email IN (?)")
    assert sum(used) == 1


async def test_the_sqlstate_is_told(psycopg_engine: Engine, asyncpg_engine: AsyncEngine, telemetry: Telemetry) -> None:
    """Through both drivers a violated constraint is SQLSTATE 23505."""
    with pytest.raises(IntegrityError), psycopg_engine.begin() as connection:
        connection.execute(text("INSERT INTO orders (email) VALUES ('a'), ('a')"))
    with pytest.raises(IntegrityError):
        async with asyncpg_engine.begin() as asynchronous:
            await asynchronous.execute(text("INSERT INTO orders (email) VALUES ('a'), ('a')"))
    codes = [span.attributes["db.response.status_code"] for span in telemetry.spans("INSERT orders")]
    assert codes == ["23505", "23505"]


async def test_a_cancelled_query_is_a_failed_span(asyncpg_engine: AsyncEngine, telemetry: Telemetry) -> None:
    """A query whose task is cancelled (the client left) has its span, with the reason."""

    async def sleep() -> None:
        async with asyncpg_engine.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(30)"))

    async with asyncpg_engine.connect():
        pass
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(sleep(), 0.3)
    [span] = telemetry.spans("SELECT")
    assert span.attributes["error.type"] == "asyncio.exceptions.CancelledError"


def test_a_failing_commit_is_a_rollback(psycopg_engine: Engine, telemetry: Telemetry) -> None:
    """A commit that the database refuses counts as the rollback that it was."""
    with psycopg_engine.begin() as connection:
        connection.execute(
            text("CREATE TEMP TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED) ON COMMIT PRESERVE ROWS")
        )
    telemetry.clear()
    with pytest.raises(DBAPIError), psycopg_engine.begin() as connection:
        connection.execute(text("INSERT INTO t VALUES (1), (1)"))
    points = telemetry.points("db.client.transactions")
    assert {point.attributes["db.transaction.outcome"]: point.value for point in points} == {"rollback": 1}


async def test_the_commenter_reaches_the_server(
    asyncpg_engine: AsyncEngine, instrumented: SqlalchemyInstrumentor, telemetry: Telemetry
) -> None:
    """The server sees the commented statement of an async engine, and runs it."""
    instrumented.configure({"engine": asyncpg_engine, "enable_commenter": True})
    seen: list[str] = []
    event.listen(asyncpg_engine.sync_engine, "after_cursor_execute", lambda *args: seen.append(args[2]))
    async with asyncpg_engine.connect() as connection:
        shown = await connection.scalar(text("SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()"))
    assert shown == seen[0]
    assert f"{telemetry.spans()[0].context.span_id:016x}" in shown


def test_a_lost_server_connection_is_a_failed_span(psycopg_engine: Engine, telemetry: Telemetry) -> None:
    """When the server ends the connection, the statement's span says so and the pool goes on."""
    with psycopg_engine.connect() as connection, pytest.raises(DBAPIError):
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with psycopg_engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    first, second = telemetry.spans("SELECT")
    assert (first.attributes["db.response.status_code"], second.status.is_ok) == ("57P01", True)
