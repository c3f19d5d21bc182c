"""Counts transactions by their outcome, where SQLAlchemy ends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_distro.guard import guard
from otel_distro.instrumentation.sqlalchemy.database import database_of
from otel_distro.instrumentation.sqlalchemy.queries import DIRTY
from otel_distro.record import HANDOVER, Measurement
from otel_distro.semconv.db import TRANSACTIONS

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, RootTransaction

_GUARD = guard("sqlalchemy.transaction")


def _count(connection: Connection, outcome: str, *, closing: bool = False) -> None:
    """Closing a transaction that only read takes nothing back: that is no rollback. Autocommit has no transactions."""
    with _GUARD:
        dirty = getattr(connection, DIRTY, False)
        if dirty:
            setattr(connection, DIRTY, False)
        elif closing:
            return
        if not connection._is_autocommit_isolation():  # noqa: SLF001 - asking in public costs a query
            database = database_of(connection.engine)
            HANDOVER.sink.measure(
                Measurement(TRANSACTIONS, 1, (database.system, database.namespace, outcome))
            )


def patch(root: type[RootTransaction]) -> None:
    """Count each commit, rollback and close of a root transaction (not of savepoints) that was still active."""
    commit, rollback, close = root.commit, root.rollback, root.close

    def counted_commit(self: RootTransaction) -> None:
        active = self.is_active
        outcome = "rollback"
        try:
            commit(self)
            outcome = "commit"
        finally:
            if active:
                _count(self.connection, outcome)

    def counted_rollback(self: RootTransaction) -> None:
        active = self.is_active
        try:
            rollback(self)
        finally:
            if active:
                _count(self.connection, "rollback")

    def counted_close(self: RootTransaction) -> None:
        active = self.is_active
        try:
            close(self)
        finally:
            if active:
                _count(self.connection, "rollback", closing=True)

    replaced: dict[str, Any] = {
        "commit": counted_commit,
        "rollback": counted_rollback,
        "close": counted_close,
    }
    for name, method in replaced.items():
        method.__doc__ = getattr(root, name).__doc__
        setattr(root, name, method)


def unpatch(root: type[RootTransaction]) -> None:
    """The methods are inherited again."""
    for name in ("commit", "rollback", "close"):
        if name in vars(root):
            delattr(root, name)
