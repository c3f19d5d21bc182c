"""The connection pools: their state when a reader asks, and how long requests waited, used and connected."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter, time
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from opentelemetry.metrics import Observation

from otel_distro.context.current import get_current
from otel_distro.guard import FAULT, guard, report
from otel_distro.instrumentation.sqlalchemy.database import database_of, databases
from otel_distro.instrumentation.sqlalchemy.queries import suppressed
from otel_distro.record import HANDOVER, Measurement
from otel_distro.semconv.db import (
    CONNECTION_COUNT,
    CONNECTION_CREATE_TIME,
    CONNECTION_IDLE_MAX,
    CONNECTION_MAX,
    CONNECTION_PENDING,
    CONNECTION_TIMEOUTS,
    CONNECTION_USE_TIME,
    CONNECTION_WAIT_TIME,
    POOL_NAME,
    STATE,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import CallbackOptions, Meter
    from sqlalchemy.engine import Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

    from otel_distro.instrumentation.sqlalchemy.database import Database
    from otel_distro.instrumentation.sqlalchemy.queries import Options

_GUARD = guard("sqlalchemy.pool")
_CREATED = "_otel_distro_created"
_BORROWED = "_otel_distro_borrowed"
"""Attribute of a connection's record while it is out: the database, and since when (None: nothing is measured)."""


# -- what is measured as it happens


def patch(engine_class: type[Engine], timeout: type[Exception], options: Options) -> None:
    """Measure each borrowing of a connection: every engine, sync or async, borrows by this one method."""
    borrow = engine_class.raw_connection

    def raw_connection(self: Engine) -> PoolProxiedConnection:
        try:
            database = database_of(self, options)
        except FAULT as fault:
            report("sqlalchemy.engine", fault)
            return borrow(self)
        token = object()
        database.waiting.add(token)
        start = perf_counter()
        try:
            connection = borrow(self)
        except timeout:
            with _GUARD:
                HANDOVER.sink.measure(Measurement(CONNECTION_TIMEOUTS, 1, (database.pool_name,)))
            raise
        finally:
            database.waiting.discard(token)
        try:
            _borrowed(database, connection, start)
        except FAULT as fault:
            report("sqlalchemy.borrowed", fault)
        return connection

    raw_connection.__doc__ = borrow.__doc__
    raw_connection.__wrapped__ = borrow  # type: ignore[attr-defined]
    engine_class.raw_connection = raw_connection  # type: ignore[method-assign]


def unpatch(engine_class: type[Engine]) -> None:
    """The method is the original again."""
    original = getattr(engine_class.raw_connection, "__wrapped__", None)
    if original is not None:
        engine_class.raw_connection = original  # type: ignore[method-assign]


def _borrowed(database: Database, connection: PoolProxiedConnection, start: float) -> None:
    now = perf_counter()
    record: Any = connection._connection_record  # noqa: SLF001 - the one way from a connection to its record
    database.taken.add(record)
    if suppressed(get_current()):
        setattr(record, _BORROWED, (database, None))
        return
    setattr(record, _BORROWED, (database, now))
    measure, key = HANDOVER.sink.measure, (database.pool_name,)
    measure(Measurement(CONNECTION_WAIT_TIME, now - start, key))
    created = getattr(record, _CREATED, None)
    if created is not None:
        setattr(record, _CREATED, None)
        measure(Measurement(CONNECTION_CREATE_TIME, created, key))


def connected(connection: DBAPIConnection, record: Any) -> None:  # noqa: ARG001 - SQLAlchemy's signature
    """A connection was opened; the record knows when that began. (Listener)."""
    with _GUARD:
        setattr(record, _CREATED, max(0.0, time() - record.starttime))


def returned(connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:  # noqa: ARG001 - SQLAlchemy's signature
    """A connection came back. (Listener)."""
    try:
        borrowed: tuple[Database, float | None] | None = getattr(record, _BORROWED, None)
        if borrowed is not None:
            setattr(record, _BORROWED, None)
            database, since = borrowed
            database.taken.discard(record)
            if since is not None:
                used = perf_counter() - since
                HANDOVER.sink.measure(Measurement(CONNECTION_USE_TIME, used, (database.pool_name,)))
    except FAULT as fault:
        report("sqlalchemy.returned", fault)


def detached(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    """A connection left the pool for good. (Listener)."""
    returned(connection, record)


# -- what is observed when a reader asks


State = Iterator[tuple[int, dict[str, str]]]
"""Values of one metric for one pool, with the attributes besides its name."""


def _count(database: Database, pool: Any) -> State:
    yield len(database.taken), {STATE.key: "used"}
    if hasattr(pool, "checkedin"):
        idle = pool.checkedin()
    else:
        kept = {
            "StaticPool": "connection" in vars(pool),
            "SingletonThreadPool": len(getattr(pool, "_all_conns", ())),
        }
        idle = max(0, kept.get(type(pool).__name__, 0) - len(database.taken))
    yield idle, {STATE.key: "idle"}


def _size(pool: Any) -> int | None:
    """Connections that the pool keeps; None: as many as come back."""
    size = getattr(pool, "size", None)
    if callable(size):
        return size() or None
    return {"NullPool": 0, "StaticPool": 1}.get(type(pool).__name__, size)


def _max(_database: Database, pool: Any) -> State:
    overflow, size = getattr(pool, "_max_overflow", None), _size(pool)
    if type(pool).__name__ == "StaticPool":
        yield 1, {}
    elif overflow is not None and overflow >= 0 and size:
        yield size + overflow, {}


def _idle_max(_database: Database, pool: Any) -> State:
    size = _size(pool)
    if size is not None:
        yield size, {}


def _pending(database: Database, _pool: Any) -> State:
    yield len(database.waiting), {}


def _callback(state: Callable[[Database, Any], State]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_options: CallbackOptions) -> list[Observation]:
        observations: list[Observation] = []
        for database in databases():
            pool = database.pool
            if pool is not None:
                with _GUARD:
                    name = {POOL_NAME.key: database.pool_name}
                    observations += [Observation(value, {**name, **more}) for value, more in state(database, pool)]
        return observations

    return observe


_observed: WeakSet[Meter] = WeakSet()


def observe_with(meter: Meter) -> None:
    """Offer the pools' states to this meter's readers, once; without engines they see nothing."""
    if meter in _observed:
        return
    _observed.add(meter)
    for metric, state in (
        (CONNECTION_COUNT, _count),
        (CONNECTION_MAX, _max),
        (CONNECTION_IDLE_MAX, _idle_max),
        (CONNECTION_PENDING, _pending),
    ):
        meter.create_observable_up_down_counter(
            metric.name, [_callback(state)], unit=metric.unit, description=metric.brief
        )
