"""Apps that call upstream's instrumentor themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from opentelemetry import context, trace
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import create_engine, event, text
from sqlalchemy.ext.asyncio import create_async_engine

from otel_distro.instrumentation.sqlalchemy import SqlalchemyInstrumentor
from otel_distro.instrumentation.sqlalchemy.upstream import SQLAlchemyInstrumentor as Ours

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from tests.conftest import Telemetry


@pytest.fixture
def sent(engine: Engine) -> list[str]:
    """The statements as the driver got them."""
    found: list[str] = []
    event.listen(engine, "after_cursor_execute", lambda *args: found.append(args[2]))
    return found


@pytest.fixture(autouse=True)
def _no_options_left() -> Iterator[None]:
    yield
    if SqlalchemyInstrumentor().is_instrumented_by_opentelemetry:
        SqlalchemyInstrumentor().uninstrument()


def run(engine: Engine) -> None:
    """One statement."""
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def test_it_is_a_subclass() -> None:
    """Our stand-in is a kind of upstream's class."""
    assert issubclass(Ours, SQLAlchemyInstrumentor)


@pytest.mark.parametrize("named", ["engine", "engines", "all"])
def test_instrument_makes_no_doubles(
    named: str, engine: Engine, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    """With ours on, upstream's instrument() in all its forms leaves one span per statement, and no complaint."""
    options = {"engine": {"engine": engine}, "engines": {"engines": [engine]}, "all": {}}[named]
    for _ in range(2):
        SQLAlchemyInstrumentor().instrument(**options)
    run(engine)
    assert [span.name for span in telemetry.spans()] == ["SELECT"]
    assert SQLAlchemyInstrumentor().is_instrumented_by_opentelemetry
    assert caplog.records == []


def test_its_version_check_is_ours(engine: Engine) -> None:
    """Upstream's limit below 2.1 does not apply."""
    assert SQLAlchemyInstrumentor().instrumentation_dependencies() == ("sqlalchemy >= 2.0",)


def test_the_commenter_names_the_statements_span(engine: Engine, sent: list[str], telemetry: Telemetry) -> None:
    """enable_commenter appends the statement's own trace context, driver and framework; the span's text has none."""
    SQLAlchemyInstrumentor().instrument(engine=engine, enable_commenter=True)
    with trace.get_tracer("app").start_as_current_span("work"):
        run(engine)
    span = telemetry.spans("SELECT")[0]
    found = re.fullmatch(
        r"SELECT 1 /\*db_driver='pysqlite',db_framework='sqlalchemy%%3A[^']+',traceparent='(.*)'\*/", sent[0]
    )
    assert found
    assert found[1].split("-")[1:3] == [f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"]
    assert span.attributes["db.query.text"] == "SELECT ?"
    assert span.end_time > span.start_time


def test_commenter_options_leave_parts_out(engine: Engine, sent: list[str], telemetry: Telemetry) -> None:
    """commenter_options opt out of parts; enable_attribute_commenter shows the comment in the span too."""
    options = {"db_framework": False, "opentelemetry_values": False}
    SQLAlchemyInstrumentor().instrument(
        enable_commenter=True, commenter_options=options, enable_attribute_commenter=True
    )
    run(engine)
    assert sent == ["SELECT 1 /*db_driver='pysqlite'*/"]
    assert telemetry.spans()[0].attributes["db.query.text"] == "SELECT ? /*db_driver='pysqlite'*/"


def test_the_commenter_adds_what_a_framework_left(engine: Engine, sent: list[str], telemetry: Telemetry) -> None:
    """Tags of upstream's web frameworks are in the comment: numbers as they are, nothing that is None."""
    options = {"db_framework": False, "db_driver": False, "opentelemetry_values": False}
    SQLAlchemyInstrumentor().instrument(enable_commenter=True, commenter_options=options)
    tags = {"framework": "flask:3", "flask": 1, "controller": None}
    token = context.attach(context.set_value("SQLCOMMENTER_ORM_TAGS_AND_VALUES", tags))
    run(engine)
    context.detach(token)
    assert sent == ["SELECT 1 /*flask=1,framework='flask%%3A3'*/"]


def test_a_failing_commented_statement_ends_its_span(engine: Engine, telemetry: Telemetry) -> None:
    """With the commenter too, a failure gives the one span, as an error."""
    SQLAlchemyInstrumentor().instrument(engine=engine, enable_commenter=True)
    with pytest.raises(Exception, match="no such table"), engine.connect() as connection:
        connection.execute(text("SELECT * FROM nowhere"))
    [span] = telemetry.spans()
    assert (span.name, span.status.is_ok, span.attributes["error.type"]) == (
        "SELECT nowhere",
        False,
        "sqlalchemy.exc.OperationalError",
    )


def test_the_commenter_is_per_engine(tmp_path: Path, engine: Engine, sent: list[str]) -> None:
    """An engine that was not named is not commented."""
    other = create_engine(f"sqlite:///{tmp_path}/other.db")
    SQLAlchemyInstrumentor().instrument(engine=other, enable_commenter=True)
    run(engine)
    other.dispose()
    assert sent == ["SELECT 1"]


async def test_an_async_engine_may_be_named(
    tmp_path: Path, instrumented: SqlalchemyInstrumentor, telemetry: Telemetry
) -> None:
    """`engine=` takes a sync_engine as upstream does, and the async engine itself."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db")
    SQLAlchemyInstrumentor().instrument(engine=engine.sync_engine)
    SQLAlchemyInstrumentor().instrument(engine=engine)
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    await engine.dispose()
    assert [span.name for span in telemetry.spans()] == ["SELECT"]


def test_a_tracer_provider_may_be_given(engine: Engine, telemetry: Telemetry) -> None:
    """Spans of an engine that was named with a tracer_provider go there and nowhere else."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    SQLAlchemyInstrumentor().instrument(engine=engine, tracer_provider=provider)
    run(engine)
    assert [span.name for span in memory.get_finished_spans()] == ["SELECT"]
    assert telemetry.spans() == []


def test_uninstrument_and_again(engine: Engine, telemetry: Telemetry) -> None:
    """Upstream's uninstrument() silences engines; its instrument() brings our spans back."""
    SQLAlchemyInstrumentor().uninstrument()
    run(engine)
    assert (telemetry.spans(), SQLAlchemyInstrumentor().is_instrumented_by_opentelemetry) == ([], False)
    SQLAlchemyInstrumentor().instrument(engine=engine)
    run(engine)
    assert [span.instrumentation_scope.name for span in telemetry.spans()] == ["otel_distro.sqlalchemy"]


def test_upstreams_class_is_given_back() -> None:
    """After our uninstrument() upstream's class has its own methods again."""
    before = dict(vars(SQLAlchemyInstrumentor))
    for _ in range(2):
        SqlalchemyInstrumentor().instrument()
        assert vars(SQLAlchemyInstrumentor)["instrument"] is vars(Ours)["instrument"]
        SqlalchemyInstrumentor().uninstrument()
        assert dict(vars(SQLAlchemyInstrumentor)) == before
