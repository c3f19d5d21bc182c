"""What is known of the database behind an engine: its names, the statements read so far, its connections."""

from __future__ import annotations

import os
from pathlib import PurePath
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary, ref

from otel_distro.instrumentation.sqlalchemy.queries import unwatch, watch
from otel_distro.instrumentation.sqlalchemy.statement import MAX_READ, Statement, read
from otel_distro.record import Exact, Fixed
from otel_distro.semconv.attributes import SERVER_ADDRESS, SERVER_PORT
from otel_distro.semconv.db import (
    AFFECTED_ROWS,
    COLLECTION,
    NAMESPACE,
    OPERATION,
    ROWS,
    SUMMARY,
    SYSTEM,
    TEXT,
)

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer
    from sqlalchemy.engine import Engine
    from sqlalchemy.pool import ConnectionPoolEntry, Pool

    from otel_distro.instrumentation.sqlalchemy.commenter import Commenter
    from otel_distro.instrumentation.sqlalchemy.queries import Options

    Value = str | int

MAX_STATEMENTS = 1000
"""Statements remembered per engine; where texts differ each time (literals in them) it begins anew then."""

_MAX_KEPT_ROWS = 32

SYSTEMS = {
    "mssql": "microsoft.sql_server",
    "oracle": "oracle.db",
    "redshift": "aws.redshift",
    "ibm_db_sa": "ibm.db2",
    "db2": "ibm.db2",
    "hana": "sap.hana",
    "firebird": "firebirdsql",
    "spanner": "gcp.spanner",
    "spanner+spanner": "gcp.spanner",
    "netezza": "ibm.netezza",
    "awsathena": "aws.athena",
}
"""SQLAlchemy's dialect names that differ from the conventions' `db.system.name`."""

_ATTRIBUTE = "_otel_distro_database"


class Entry:
    """One statement's span name and attributes, the same object for each execution (with the same number of rows)."""

    __slots__ = ("_by_rows", "attributes", "key", "name", "rows_key", "writes")

    def __init__(self, statement: Statement, database: Database, *, batch: bool = False) -> None:
        prefix = "BATCH " if batch else ""
        attributes: dict[str, Value] = dict(database.attributes)
        if statement.operation:
            attributes[OPERATION.key] = prefix + statement.operation
        if statement.collection:
            attributes[COLLECTION.key] = statement.collection
        if statement.summary:
            attributes[SUMMARY.key] = prefix + statement.summary
        attributes[TEXT.key] = statement.text
        self.attributes = Fixed(attributes)
        self._by_rows: dict[int, Exact] = {}
        self.name = prefix + statement.summary if statement.summary else database.system
        self.writes = statement.writes
        returns = not statement.writes or " RETURNING " in statement.text.upper()
        self.rows_key = ROWS.key if returns else AFFECTED_ROWS.key
        if returns and database.dialect == "sqlite":  # it counts while rows are fetched, from 0 on
            self.rows_key = ""
        self.key = (database.system, database.namespace, attributes.get(OPERATION.key), statement.collection)
        """The key of its measurements."""

    def with_rows(self, rows: int) -> Exact:
        """The attributes of an execution with so many rows; those of few rows are kept."""
        known = self._by_rows.get(rows)
        if known is None:
            values = {**self.attributes, self.rows_key: rows}
            if rows >= _MAX_KEPT_ROWS:
                return Exact(values)
            known = self._by_rows[rows] = Fixed(values)
        return known


class Database:
    """What telemetry says of one engine, as long as its dialect lives (which its option engines share)."""

    def __init__(self, engine: Engine) -> None:
        self.dialect = engine.dialect.name
        self.pool_name = ""
        self.tracer: Tracer | None = None
        """The tracer of a provider that the app gave for this engine."""
        self.commenter: Commenter | None = None
        """How the app wants this engine's statements commented; None: as all engines."""
        self.waiting: set[object] = set()
        """One token per request that waits for a connection now."""
        self.taken: set[ConnectionPoolEntry] = set()
        """Connections handed out and not returned, whatever the pool itself counts."""
        self._engine = ref(_proper(engine))
        self._statements: dict[str, Entry] = {}
        self._batches: dict[str, Entry] = {}
        self.address, self.port = _server(engine)
        self.system = SYSTEMS.get(self.dialect, self.dialect)
        self.namespace = _namespace(engine)
        self.attributes: dict[str, Value] = {}
        self._describe()

    def _describe(self) -> None:
        """Only after the first connect does a dialect know that its MySQL is a MariaDB."""
        engine = self._engine()
        if engine is not None and getattr(engine.dialect, "is_mariadb", False):
            self.system = "mariadb"
        values = (
            (SYSTEM, self.system),
            (NAMESPACE, self.namespace),
            (SERVER_ADDRESS, self.address),
            (SERVER_PORT, self.port),
        )
        self.attributes = {attribute.key: value for attribute, value in values if value}

    def entry(self, statement: str, *, batch: bool = False) -> Entry:
        """The statement's entry, read on first use. Of long ones the beginning is what counts."""
        if len(statement) > MAX_READ:
            statement = statement[: MAX_READ + 1]
        entries = self._batches if batch else self._statements
        known = entries.get(statement)
        if known is not None:
            return known
        if not entries:
            self._describe()
        elif len(entries) >= MAX_STATEMENTS:
            entries.clear()
        made = entries[statement] = Entry(read(statement, self.dialect), self, batch=batch)
        return made

    @property
    def pool(self) -> Pool | None:
        """The engine's pool now; `dispose()` gives an engine a new one."""
        engine = self._engine()
        return None if engine is None else engine.pool

    def leave(self) -> None:
        """Take this off its engine."""
        engine = self._engine()
        if engine is not None and getattr(engine.dialect, _ATTRIBUTE, None) is self:
            unwatch(engine.dialect)
            delattr(engine.dialect, _ATTRIBUTE)


def _proper(engine: Engine) -> Engine:
    """The engine itself, of which `execution_options()` makes short-lived variants."""
    while hasattr(engine, "_proxied"):
        engine = engine._proxied  # noqa: SLF001 - the one way back
    return engine


_lock = Lock()
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)
_named: WeakValueDictionary[str, Database] = WeakValueDictionary()


def database_of(engine: Engine, options: Options) -> Database:
    """What is known of this engine's database; made on first use, and from then on its statements are watched."""
    known: Database | None = getattr(engine.dialect, _ATTRIBUTE, None)
    if known is not None:
        return known
    made = Database(engine)
    with _lock:
        other: Database | None = getattr(engine.dialect, _ATTRIBUTE, None)
        if other is not None:
            return other
        made.pool_name = _free_name(_pool_name(engine, made))
        _named[made.pool_name] = made
        setattr(engine.dialect, _ATTRIBUTE, made)
        watch(engine.dialect, made, options)
    return made


def databases() -> list[Database]:
    """Of all living engines that have been used."""
    with _lock:
        return list(_named.values())


def forget() -> None:
    """Take what was learnt off all engines."""
    for database in databases():
        database.leave()
    with _lock:
        _named.clear()


def _free_name(wanted: str) -> str:
    """A second engine of the same database gets `#2`."""
    name, number = wanted, 2
    while name in _named:
        name, number = f"{wanted}#{number}", number + 1
    return name


def _pool_name(engine: Engine, database: Database) -> str:
    given = engine.pool.logging_name or engine.logging_name
    if given:
        return str(given)[:100]
    place = "" if not database.address else f"{database.address}:{database.port}" if database.port else database.address
    return f"{database.dialect}://{place}/{database.namespace or ''}"[:200]


def _server(engine: Engine) -> tuple[str | None, int | None]:
    url = engine.url
    if url.host:
        return url.host, url.port
    host, port = url.query.get("host"), url.query.get("port")
    if not isinstance(host, str):  # several hosts: which one answers is the driver's choice
        return None, None
    if ":" in host and not host.startswith("/"):
        host, _, port = host.partition(":")
    return host or None, int(port) if isinstance(port, str) and port.isdecimal() else None


def _namespace(engine: Engine) -> str | None:
    name = engine.url.database
    if engine.dialect.name != "sqlite":
        return name or None
    return PurePath(name.partition("?")[0]).name if name else ":memory:"
