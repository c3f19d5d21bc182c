"""The instrumentor: when it patches, and that it undoes it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine, RootTransaction

from otel_distro.instrumentation.sqlalchemy import SqlalchemyInstrumentor

if TYPE_CHECKING:
    from tests.conftest import Telemetry


def test_uninstrument_leaves_the_world_as_before(telemetry: Telemetry) -> None:
    """Twice in a row: after uninstrument() classes and engines are untouched, and nothing is emitted."""
    engine = create_engine("sqlite://")
    methods = (Engine.raw_connection, RootTransaction.commit, RootTransaction.close)
    attributes = set(vars(engine.dialect))
    for _ in range(2):
        instrumentor = SqlalchemyInstrumentor()
        instrumentor.instrument()
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        instrumentor.uninstrument()
        assert (Engine.raw_connection, RootTransaction.commit, RootTransaction.close) == methods
        assert "_otel_distro_database" not in set(vars(engine.dialect)) - attributes
        with engine.connect() as connection:
            connection.execute(text("SELECT 2"))
        assert [span.attributes["db.query.text"] for span in telemetry.spans()] == ["SELECT ?"]
        assert telemetry.points("db.client.connection.count") == []
        telemetry.clear()
    engine.dispose()


def test_sqlalchemy_is_not_imported_for_it() -> None:
    """instrument() imports neither SQLAlchemy nor upstream's package; an import afterwards is instrumented."""
    script = """
import sys
from otel_distro.instrumentation.sqlalchemy import SqlalchemyInstrumentor
SqlalchemyInstrumentor().instrument()
early = ("sqlalchemy", "opentelemetry.instrumentation.sqlalchemy")
assert not [name for name in sys.modules if name.startswith(early)]
import sqlalchemy
assert SqlalchemyInstrumentor().listening
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
assert "is_instrumented_by_opentelemetry" in vars(SQLAlchemyInstrumentor)
assert SQLAlchemyInstrumentor().is_instrumented_by_opentelemetry
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


def test_a_failure_of_ours_is_not_the_apps(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """When reading a statement fails, the app's statement runs all the same; the failure is counted."""
    from otel_distro import guard
    from otel_distro.instrumentation.sqlalchemy.database import Database

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Database, "entry", broken)
    SqlalchemyInstrumentor().instrument()
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    engine.dispose()
    SqlalchemyInstrumentor().uninstrument()
    assert guard.failures.pop("sqlalchemy.query") >= 1


def test_listeners_of_the_app_stay(telemetry: Telemetry) -> None:
    """uninstrument() removes our listeners only."""
    seen: list[str] = []
    engine = create_engine("sqlite://")
    event.listen(engine, "after_cursor_execute", lambda *args: seen.append(args[2]))
    SqlalchemyInstrumentor().instrument()
    SqlalchemyInstrumentor().uninstrument()
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    engine.dispose()
    assert seen == ["SELECT 1"]
