"""Puts listeners and patches on SQLAlchemy's classes, for engines made before and after; takes them off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import event
from sqlalchemy.engine import Engine, RootTransaction
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import Pool

from otel_distro.instrumentation.sqlalchemy import database, pool, transactions
from otel_distro.instrumentation.sqlalchemy.comments import Comments

if TYPE_CHECKING:
    from otel_distro.instrumentation.sqlalchemy.queries import Options

_LISTENERS = (("connect", pool.connected), ("checkin", pool.returned), ("detach", pool.detached))


def start(options: Options) -> None:
    """Watch every engine from its next connection on; pools are listened to as a class."""
    for name, listener in _LISTENERS:
        event.listen(Pool, name, listener)
    pool.patch(Engine, PoolTimeoutError, options)
    transactions.patch(RootTransaction, options)


def comment(options: Options) -> None:
    """Let statements be commented, where engines have a commenter."""
    if options.comments is None:
        options.comments = Comments(options)
        event.listen(Engine, "before_cursor_execute", options.comments.before, retval=True)


def stop(options: Options) -> None:
    """Undo `start` and `comment`, and what was put on engines since."""
    if options.comments is not None:
        event.remove(Engine, "before_cursor_execute", options.comments.before)
    transactions.unpatch(RootTransaction)
    pool.unpatch(Engine)
    for name, listener in _LISTENERS:
        event.remove(Pool, name, listener)
    database.forget()
