"""Counts transactions by their outcome, where SQLAlchemy ends them."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING

from otel_distro.context.current import get_current
from otel_distro.guard import FAULT, report
from otel_distro.instrumentation.sqlalchemy.database import database_of
from otel_distro.instrumentation.sqlalchemy.queries import DIRTY, suppressed
from otel_distro.record import HANDOVER, Measurement
from otel_distro.semconv.db import TRANSACTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection, RootTransaction

    from otel_distro.instrumentation.sqlalchemy.queries import Options

_ENDS = ("commit", "rollback", "close")


def _count(connection: Connection, options: Options, outcome: str, *, closing: bool = False) -> None:
    """Closing a transaction that only read takes nothing back. Autocommit has no transactions."""
    dirty = getattr(connection, DIRTY, False)
    if dirty:
        setattr(connection, DIRTY, False)
    elif closing:
        return
    # Asking for the isolation level in public costs a query.
    if not (connection._is_autocommit_isolation() or suppressed(get_current())):  # noqa: SLF001
        database = database_of(connection.engine, options)
        key = (database.system, database.namespace, outcome)
        HANDOVER.sink.measure(Measurement(TRANSACTIONS, 1, key))


def _counted(original: Callable[[RootTransaction], None], options: Options) -> Callable[[RootTransaction], None]:
    closing = original.__name__ == "close"
    wanted = "commit" if original.__name__ == "commit" else "rollback"

    @wraps(original)
    def method(self: RootTransaction) -> None:
        active = self.is_active
        happened = "rollback"
        try:
            original(self)
            happened = wanted
        finally:
            if active:
                try:
                    _count(self.connection, options, happened, closing=closing)
                except FAULT as fault:
                    report("sqlalchemy.transaction", fault)

    return method


def patch(root: type[RootTransaction], options: Options) -> None:
    """Count each commit, rollback and close of a root transaction (no savepoint) that was still active."""
    for name in _ENDS:
        setattr(root, name, _counted(getattr(root, name), options))


def unpatch(root: type[RootTransaction]) -> None:
    """The methods are inherited again."""
    for name in _ENDS:
        if name in vars(root):
            delattr(root, name)
