"""Commenting statements before SQLAlchemy runs them, so that its own log and the app's listeners see the comment.

The one SQLAlchemy event on engines, and only while an app has asked for comments: it makes each connection dearer.
"""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind

from otel_distro.context.current import get_current
from otel_distro.guard import guard
from otel_distro.instrumentation.sqlalchemy.commenter import commented
from otel_distro.instrumentation.sqlalchemy.database import database_of
from otel_distro.instrumentation.sqlalchemy.queries import EARLY, Early, suppressed

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, ExecutionContext
    from sqlalchemy.engine.interfaces import DBAPICursor

    from otel_distro.instrumentation.sqlalchemy.queries import Options

_GUARD = guard("sqlalchemy.comment")


class Comments:
    """The listener, with the options of all engines."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def before(
        self,
        conn: Connection,
        cursor: DBAPICursor,  # noqa: ARG002 - SQLAlchemy's signature
        statement: str,
        parameters: Any,
        context: ExecutionContext | None,
        executemany: bool,  # noqa: ARG002, FBT001
    ) -> tuple[str, Any]:
        """Start the statement's span and append the comment that names it."""
        if context is not None and conn._allow_autobegin:  # noqa: SLF001 - not a dialect's own questions
            with _GUARD:
                statement = self._comment(conn, statement, context)
        return statement, parameters

    def _comment(self, conn: Connection, statement: str, context: ExecutionContext) -> str:
        database = database_of(conn.engine, self._options)
        commenter = database.commenter or self._options.commenter
        current = get_current()
        if commenter is None or suppressed(current):
            return statement
        entry = database.entry(statement)
        tracer = database.tracer or self._options.tracer
        span = tracer.start_span(entry.name, current, SpanKind.CLIENT, entry.attributes, None, time_ns())
        comment = commenter.comment(conn.engine.driver, span)
        setattr(context, EARLY, Early(span, statement, comment if commenter.in_attribute else ""))
        return commented(statement, comment)
