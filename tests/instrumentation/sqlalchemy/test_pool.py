"""The pools' states and times."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool, StaticPool

from tests.e2e.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from otel_distro.instrumentation.sqlalchemy import SqlalchemyInstrumentor
    from tests.conftest import Telemetry

NAME = "db.client.connection.pool.name"


def state(telemetry: Telemetry) -> dict[str, tuple[int, int]]:
    """Connections by pool: used and idle."""
    found: dict[str, dict[str, int]] = {}
    for point in telemetry.points("db.client.connection.count"):
        pool = found.setdefault(point.attributes[NAME], {})
        pool[point.attributes["db.client.connection.state"]] = point.value
    return {name: (pool["used"], pool["idle"]) for name, pool in found.items()}


def values(telemetry: Telemetry, name: str) -> dict[str, int]:
    """Values of `db.client.connection.<name>` by pool; of a histogram its count."""
    points = telemetry.points(f"db.client.connection.{name}")
    return {point.attributes[NAME]: getattr(point, "value", None) or getattr(point, "count", 0) for point in points}


def test_a_queue_pool_is_counted(engine: Engine, telemetry: Telemetry) -> None:
    """Used and idle connections, their limits and times are those of the pool."""
    with engine.connect(), engine.connect():
        assert state(telemetry) == {"sqlite:///shop.db": (2, 0)}
    assert state(telemetry) == {"sqlite:///shop.db": (0, 2)}
    assert values(telemetry, "max") == {"sqlite:///shop.db": 15}
    assert values(telemetry, "idle.max") == {"sqlite:///shop.db": 5}
    times = [values(telemetry, name)["sqlite:///shop.db"] for name in ("wait_time", "use_time", "create_time")]
    assert times == [2, 2, 1]


def test_an_unlimited_pool_has_no_maximum(
    tmp_path: Path, instrumented: SqlalchemyInstrumentor, telemetry: Telemetry
) -> None:
    """With unlimited overflow no maximum is told."""
    engine = create_engine(f"sqlite:///{tmp_path}/a.db", max_overflow=-1)
    with engine.connect():
        assert values(telemetry, "max") == {}
        assert values(telemetry, "idle.max") == {"sqlite:///a.db": 5}
    engine.dispose()


async def test_an_async_pool_is_counted_once(async_engine: AsyncEngine, telemetry: Telemetry) -> None:
    """One connection of an async engine is one connection."""
    async with async_engine.connect():
        assert state(telemetry) == {"sqlite:///shop.db": (1, 0)}
    assert state(telemetry) == {"sqlite:///shop.db": (0, 1)}


def test_a_null_pool_has_no_idle_connections(
    tmp_path: Path, instrumented: SqlalchemyInstrumentor, telemetry: Telemetry
) -> None:
    """A NullPool's connections are used or gone, and each borrowing opens one."""
    engine = create_engine(f"sqlite:///{tmp_path}/a.db", poolclass=NullPool)
    with engine.connect(), engine.connect():
        assert state(telemetry) == {"sqlite:///a.db": (2, 0)}
    assert state(telemetry) == {"sqlite:///a.db": (0, 0)}
    assert values(telemetry, "create_time") == {"sqlite:///a.db": 2}


@pytest.mark.parametrize("options", [{}, {"poolclass": StaticPool}])
def test_pools_of_one_connection_are_counted(
    options: dict[str, Any], instrumented: SqlalchemyInstrumentor, telemetry: Telemetry
) -> None:
    """An in-memory database's pool has its one connection used or idle."""
    engine = create_engine("sqlite://", **options)
    with engine.connect():
        assert state(telemetry) == {"sqlite:///:memory:": (1, 0)}
    assert state(telemetry) == {"sqlite:///:memory:": (0, 1)}
    engine.dispose()


def test_engines_of_one_database_are_told_apart(
    tmp_path: Path, instrumented: SqlalchemyInstrumentor, telemetry: Telemetry
) -> None:
    """The second engine's pool has a number after its name; a name given by the app is used as it is."""
    url = f"sqlite:///{tmp_path}/a.db"
    engines = [create_engine(url), create_engine(url), create_engine(url, pool_logging_name="mine")]
    with ExitStack() as stack:
        for engine in engines:
            stack.enter_context(engine.connect())
        assert state(telemetry) == {"sqlite:///a.db": (1, 0), "sqlite:///a.db#2": (1, 0), "mine": (1, 0)}
    for engine in engines:
        engine.dispose()


def test_dispose_keeps_the_name_and_what_is_out(engine: Engine, telemetry: Telemetry) -> None:
    """After dispose() the new pool has the old name; a connection still out is counted until it is back."""
    old = engine.pool
    with engine.connect():
        engine.dispose()
        with engine.connect():
            assert state(telemetry) == {"sqlite:///shop.db": (2, 0)}
    assert state(telemetry) == {"sqlite:///shop.db": (0, 1)}
    old.dispose()


def test_a_collected_engine_is_gone(tmp_path: Path, instrumented: SqlalchemyInstrumentor, telemetry: Telemetry) -> None:
    """An engine that nobody holds any more is not reported, and its name is free again."""
    for _ in range(2):
        engine = create_engine(f"sqlite:///{tmp_path}/a.db")
        with engine.connect():
            assert list(state(telemetry)) == ["sqlite:///a.db"]
        engine.dispose()
        del engine
        gc.collect()
    assert state(telemetry) == {}


def test_waiting_requests_and_timeouts_are_counted(
    tmp_path: Path, instrumented: SqlalchemyInstrumentor, telemetry: Telemetry
) -> None:
    """A request that waits is pending; one that gives up is a timeout, and its wait is no wait time."""
    engine = create_engine(f"sqlite:///{tmp_path}/a.db", pool_size=1, max_overflow=0, pool_timeout=1.0)
    failures: list[type[Exception]] = []

    def impatient() -> None:
        try:
            engine.connect()
        except PoolTimeoutError as error:
            failures.append(type(error))

    with engine.connect():
        thread = threading.Thread(target=impatient)
        thread.start()
        wait_for(lambda: list(values(telemetry, "pending_requests").values()) == [1], "a pending request")
        thread.join()
        assert list(values(telemetry, "pending_requests").values()) == [0]
    engine.dispose()
    assert failures == [PoolTimeoutError]
    assert (values(telemetry, "timeouts"), values(telemetry, "wait_time")) == (
        {"sqlite:///a.db": 1},
        {"sqlite:///a.db": 1},
    )


async def test_an_async_wait_is_measured(
    tmp_path: Path, instrumented: SqlalchemyInstrumentor, telemetry: Telemetry
) -> None:
    """The wait of a task for another's connection is in the wait time, and pending while it lasts."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db", pool_size=1, max_overflow=0)

    async def ask() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async with engine.connect():
        asked = asyncio.create_task(ask())
        await asyncio.sleep(0.05)  # the shortest wait that is looked for
        assert values(telemetry, "pending_requests") == {"sqlite:///a.db": 1}
    await asked
    [waited] = telemetry.points("db.client.connection.wait_time")
    assert (waited.count, waited.max >= 0.04) == (2, True)
    await engine.dispose()


def test_a_lost_connection_is_not_used_for_ever(engine: Engine, telemetry: Telemetry) -> None:
    """Invalidated, detached and forgotten connections leave the count of those in use."""
    with engine.connect() as connection:
        connection.invalidate()
    with engine.connect() as connection:
        connection.detach()
    raw = engine.raw_connection()
    del raw
    gc.collect()
    assert state(telemetry)["sqlite:///shop.db"][0] == 0
    assert values(telemetry, "use_time") == {"sqlite:///shop.db": 3}


def test_threads_are_counted_exactly(engine: Engine, telemetry: Telemetry) -> None:
    """Threads that share a pool leave no connection counted as used or waited for, and miss no span."""

    def work() -> None:
        for _ in range(50):
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state(telemetry)["sqlite:///shop.db"][0] == 0
    assert values(telemetry, "pending_requests") == {"sqlite:///shop.db": 0}
    assert values(telemetry, "use_time") == {"sqlite:///shop.db": 400}
    assert len(telemetry.spans("SELECT")) == 400
