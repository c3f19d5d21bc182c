"""Puts listeners and patches on SQLAlchemy's classes, for engines made before and after; takes them off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.engine import Engine, RootTransaction
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import Pool

from otel_distro.instrumentation.sqlalchemy import database, pool, transactions

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_distro.instrumentation.sqlalchemy.queries import Queries


def _listeners(queries: Queries) -> list[tuple[type, str, Callable[..., Any], dict[str, Any]]]:
    return [
        (Engine, "before_cursor_execute", queries.before, {"retval": True}),
        (Engine, "after_cursor_execute", queries.after, {}),
        (Engine, "handle_error", queries.failed, {}),
        (Pool, "connect", pool.connected, {}),
        (Pool, "checkin", pool.returned, {}),
        (Pool, "detach", pool.detached, {}),
    ]


def start(queries: Queries) -> None:
    """Listen on the classes themselves: every engine and pool inherits that, exactly once."""
    for target, name, listener, options in _listeners(queries):
        event.listen(target, name, listener, **options)
    pool.patch(Engine, PoolTimeoutError)
    transactions.patch(RootTransaction)


def stop(queries: Queries) -> None:
    """Undo `start`."""
    transactions.unpatch(RootTransaction)
    pool.unpatch(Engine)
    for target, name, listener, _ in _listeners(queries):
        event.remove(target, name, listener)
    database.forget()
