"""Spans of statements, through real engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import create_engine, event, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from otel_distro import config
from otel_distro.context.work import CURRENT, Work
from tests.instrumentation.sqlalchemy.conftest import ORDERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from otel_distro.instrumentation.sqlalchemy import SqlalchemyInstrumentor
    from tests.conftest import Telemetry

TRACER = trace.get_tracer("app")


@pytest.fixture
def every_query_is_slow() -> Iterator[None]:
    """The threshold is zero."""
    before = config.use(config.current()._replace(slow_query_ms=0.0))
    yield
    config.use(before)


def test_a_statement_is_a_client_span(engine: Engine, telemetry: Telemetry) -> None:
    """A query gives one CLIENT span, named by its summary, below the current span."""
    with TRACER.start_as_current_span("work") as work, Session(engine) as session:
        session.execute(select(ORDERS).where(ORDERS.c.email == "a@b.c", ORDERS.c.id < text("5"))).all()
    span = telemetry.spans()[0]
    assert [item.name for item in telemetry.spans()] == ["SELECT orders", "work"]
    assert (span.kind, span.parent.span_id) == (SpanKind.CLIENT, work.get_span_context().span_id)
    assert span.instrumentation_scope.name == "otel_distro.sqlalchemy"
    assert span.start_time <= span.end_time
    assert {key: value for key, value in span.attributes.items() if key != "otel_distro.exemplar"} == {
        "db.system.name": "sqlite",
        "db.namespace": "shop.db",
        "db.operation.name": "SELECT",
        "db.collection.name": "orders",
        "db.query.summary": "SELECT orders",
        "db.query.text": "SELECT orders.id, orders.email FROM orders WHERE orders.email = ? AND orders.id < ?",
    }


async def test_an_async_statement_is_one_span(async_engine: AsyncEngine, telemetry: Telemetry) -> None:
    """Through an async engine there is one span too, below the task's current span."""
    with TRACER.start_as_current_span("work") as work:
        async with AsyncSession(async_engine) as session:
            await session.execute(insert(ORDERS).values(email="a"))
            await session.commit()
    span = telemetry.spans()[0]
    assert [item.name for item in telemetry.spans()] == ["INSERT orders", "work"]
    assert span.parent.span_id == work.get_span_context().span_id
    assert span.attributes["db.response.affected_rows"] == 1


def test_engines_made_before_are_covered(tmp_path: Path, telemetry: Telemetry) -> None:
    """An engine made and used before instrumentation, its option engine and a second engine give one span each."""
    from otel_distro.instrumentation.sqlalchemy import SqlalchemyInstrumentor

    first = create_engine(f"sqlite:///{tmp_path}/first.db")
    with first.connect() as connection:
        connection.execute(text("SELECT 1"))
    SqlalchemyInstrumentor().instrument()
    second = create_engine(f"sqlite:///{tmp_path}/second.db")
    options = first.execution_options(isolation_level="AUTOCOMMIT")
    for used in (first, second, options):
        with used.connect() as connection:
            connection.execute(text("SELECT 1"))
        used.dispose()
    SqlalchemyInstrumentor().uninstrument()
    assert [span.attributes["db.namespace"] for span in telemetry.spans()] == [
        "first.db",
        "second.db",
        "first.db",
    ]


def test_a_batch_says_its_size(engine: Engine, telemetry: Telemetry) -> None:
    """An executemany is one span with the number of parameter sets; a single set is no batch."""
    with engine.begin() as connection:
        connection.execute(insert(ORDERS), [{"email": "a"}, {"email": "b"}])
        connection.execute(insert(ORDERS), [{"email": "c"}])
    sizes = [(span.name, span.attributes.get("db.operation.batch.size")) for span in telemetry.spans()]
    assert sizes == [("BATCH INSERT orders", 2), ("INSERT orders", None)]


def test_a_failing_statement_is_an_error_without_its_values(engine: Engine, telemetry: Telemetry) -> None:
    """A failure has its type and the database's code; no value of a parameter is anywhere on the span."""
    with pytest.raises(IntegrityError), engine.begin() as connection:
        for _ in range(2):
            connection.execute(insert(ORDERS).values(email="secret@example.com"))
    _, failed = telemetry.spans()
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, None)
    assert failed.attributes["error.type"] == "sqlalchemy.exc.IntegrityError"
    assert "secret" not in repr(dict(failed.attributes))
    assert not failed.events


def test_a_sqlite_failure_has_its_code(engine: Engine, telemetry: Telemetry) -> None:
    """The database's own code is on the span where Python's driver tells it (from 3.11 on)."""
    import sqlite3

    with pytest.raises(IntegrityError), engine.begin() as connection:
        for _ in range(2):
            connection.execute(text("INSERT INTO orders (email) VALUES ('a')"))
    told = hasattr(sqlite3.Error(), "sqlite_errorname") or hasattr(sqlite3, "SQLITE_CONSTRAINT_UNIQUE")
    expected = "SQLITE_CONSTRAINT_UNIQUE" if told else None
    assert telemetry.spans()[-1].attributes.get("db.response.status_code") == expected


def test_a_slow_query_is_told(engine: Engine, telemetry: Telemetry, every_query_is_slow: None) -> None:
    """A slow query is marked on its span, counted, and logged once, in its trace and with the request's fields."""
    token = CURRENT.set(Work({"request_id": "r-1"}))
    with engine.connect() as connection:
        connection.execute(select(ORDERS))
    CURRENT.reset(token)
    [span], [line] = telemetry.spans(), telemetry.logs()
    assert span.attributes["db.query.slow"] is True
    assert (line.event_name, line.severity_number) == ("db.client.slow_query", 13)
    assert (line.trace_id, line.span_id) == (span.context.trace_id, span.context.span_id)
    assert line.fields["request_id"] == "r-1"
    assert line.attributes["db.query.summary"] == "SELECT orders"
    assert line.attributes["duration_ms"] == (span.end_time - span.start_time) / 1e6
    assert [point.value for point in telemetry.points("db.client.slow_queries")] == [1]


def test_a_quick_query_is_not_slow(engine: Engine, telemetry: Telemetry) -> None:
    """By default a quick query has no mark, no line and no count."""
    with engine.connect() as connection:
        connection.execute(select(ORDERS))
    assert "db.query.slow" not in telemetry.spans()[0].attributes
    assert (telemetry.logs(), telemetry.points("db.client.slow_queries")) == ([], [])


def test_suppression_is_respected(engine: Engine, telemetry: Telemetry) -> None:
    """Where instrumentation is suppressed a query gives neither span nor measurement."""
    with suppress_instrumentation(), engine.connect() as connection:
        connection.execute(select(ORDERS))
    assert telemetry.spans() == []
    assert telemetry.points("db.client.connection.wait_time") == []


def test_the_first_connect_has_no_spans(
    tmp_path: Path, instrumented: SqlalchemyInstrumentor, telemetry: Telemetry
) -> None:
    """What the dialect asks when it connects first is no span; the app's own statement is."""
    engine = create_engine(f"sqlite:///{tmp_path}/new.db")
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    engine.dispose()
    assert [span.name for span in telemetry.spans()] == ["SELECT"]


def test_a_failing_fetch_makes_no_second_span(engine: Engine, telemetry: Telemetry) -> None:
    """An error after the statement was answered leaves its one span as it was."""
    with engine.connect() as connection:
        result = connection.execute(select(ORDERS))
        result.close()
        with pytest.raises(Exception, match="closed"):
            result.all()
    assert [span.status.status_code for span in telemetry.spans()] == [StatusCode.UNSET]


def test_a_database_is_described_by_conventions(instrumented: SqlalchemyInstrumentor) -> None:
    """Systems have the conventions' names, and credentials are nowhere."""
    from otel_distro.instrumentation.sqlalchemy.database import Database

    engine = create_engine("postgresql+psycopg://me:pw@db.example:5433/shop")
    attributes = Database(engine).attributes
    assert attributes == {
        "db.system.name": "postgresql",
        "db.namespace": "shop",
        "server.address": "db.example",
        "server.port": 5433,
    }


def test_literals_in_texts_do_not_grow_memory(
    engine: Engine, instrumented: SqlalchemyInstrumentor, telemetry: Telemetry
) -> None:
    """Statements that differ each time are forgotten again; each still has its span."""
    from otel_distro.instrumentation.sqlalchemy.database import MAX_STATEMENTS, database_of

    with engine.connect() as connection:
        for number in range(MAX_STATEMENTS + 10):
            connection.exec_driver_sql(f"SELECT {number}")
    assert len(database_of(engine, instrumented._all)._statements) <= MAX_STATEMENTS
    assert len(telemetry.spans("SELECT")) == MAX_STATEMENTS + 10


def test_the_app_may_listen_too(engine: Engine, telemetry: Telemetry) -> None:
    """An app's own listener that rewrites statements works as before."""

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def rewrite(conn, cursor, statement, parameters, context, executemany):  # noqa: ANN001, ANN202
        return statement.replace("1", "2"), parameters

    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 2
    assert len(telemetry.spans()) == 1
