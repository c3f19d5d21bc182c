"""The count of transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from tests.instrumentation.sqlalchemy.conftest import ORDERS

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from tests.conftest import Telemetry


def outcomes(telemetry: Telemetry) -> dict[str, int]:
    """Transactions by outcome."""
    points = telemetry.points("db.client.transactions")
    return {point.attributes["db.transaction.outcome"]: point.value for point in points}


def test_a_commit_counts(engine: Engine, telemetry: Telemetry) -> None:
    """A committed transaction is one commit, savepoints in it or not."""
    with Session(engine) as session:
        session.execute(insert(ORDERS).values(email="a"))
        with session.begin_nested():
            session.execute(insert(ORDERS).values(email="b"))
        session.commit()
    assert outcomes(telemetry) == {"commit": 1}


def test_a_rollback_counts(engine: Engine, telemetry: Telemetry) -> None:
    """A rollback that the app asks for counts, also when it only read."""
    with engine.connect() as connection:
        connection.execute(select(ORDERS))
        connection.rollback()
    assert outcomes(telemetry) == {"rollback": 1}


def test_an_exception_rolls_back(engine: Engine, telemetry: Telemetry) -> None:
    """A transaction left by an exception is one rollback."""
    with pytest.raises(KeyError), engine.begin() as connection:
        connection.execute(insert(ORDERS).values(email="a"))
        raise KeyError
    assert outcomes(telemetry) == {"rollback": 1}


def test_returning_a_clean_connection_is_no_rollback(engine: Engine, telemetry: Telemetry) -> None:
    """Closing a session that only read counts nothing, though SQLAlchemy sends a ROLLBACK."""
    with Session(engine) as session:
        session.execute(select(ORDERS)).all()
    assert outcomes(telemetry) == {}


def test_closing_with_writes_is_a_rollback(engine: Engine, telemetry: Telemetry) -> None:
    """Closing a session whose writes were not committed is a rollback."""
    with Session(engine) as session:
        session.execute(insert(ORDERS).values(email="a"))
    assert outcomes(telemetry) == {"rollback": 1}


def test_autocommit_has_no_transactions(engine: Engine, telemetry: Telemetry) -> None:
    """With AUTOCOMMIT nothing is counted: each statement stands for itself."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(insert(ORDERS).values(email="a"))
        connection.commit()
    assert outcomes(telemetry) == {}


async def test_async_sessions_count(async_engine: AsyncEngine, telemetry: Telemetry) -> None:
    """An async session's commit and rollback count as a sync one's."""
    async with AsyncSession(async_engine) as session:
        await session.execute(insert(ORDERS).values(email="a"))
        await session.commit()
        await session.execute(insert(ORDERS).values(email="b"))
        await session.rollback()
    assert outcomes(telemetry) == {"commit": 1, "rollback": 1}
