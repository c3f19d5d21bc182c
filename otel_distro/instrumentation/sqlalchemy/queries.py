"""One CLIENT span per statement, around the dialect's own call of its driver.

SQLAlchemy's events are not used: with one listener on an engine each connection pays for all kinds of events. The span
is made when the statement is over, as nothing below needs it as the current span: drivers have no instrumentation of
their own beside this. Only where a comment carries the trace context to the server it is started before.
"""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context, get_current
from opentelemetry.trace import SpanKind, StatusCode

from otel_distro import config
from otel_distro.guard import guard
from otel_distro.instrumentation.sqlalchemy.commenter import commented
from otel_distro.instrumentation.sqlalchemy.failures import error_type, response_status
from otel_distro.instrumentation.sqlalchemy.slow import tell
from otel_distro.semconv.attributes import ERROR_TYPE
from otel_distro.semconv.db import BATCH_SIZE, RESPONSE_STATUS, TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Span, Tracer
    from sqlalchemy.engine import Connection, Dialect, ExecutionContext
    from sqlalchemy.engine.interfaces import DBAPICursor

    from otel_distro.instrumentation.sqlalchemy.commenter import Commenter
    from otel_distro.instrumentation.sqlalchemy.database import Database, Entry

DIRTY = "_otel_distro_dirty"
"""Attribute of a Connection whose transaction holds something that a rollback takes back."""

METHODS = ("do_execute", "do_executemany", "do_execute_no_params")
"""A dialect's calls of its driver."""

_SUPPRESSED = "suppress_instrumentation"
_GUARD = guard("sqlalchemy.query")


class Options:
    """What holds for all engines without options of their own."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer
        self.commenter: Commenter | None = None
        self.commenting = False
        """Whether any engine's statements are to be commented."""


class Watched:
    """One dialect's execution of statements; its methods take the places of the dialect's."""

    def __init__(self, dialect: Dialect, method: str, database: Database, options: Options) -> None:
        self._original: Callable[..., Any] = getattr(dialect, method)
        self._many = method == "do_executemany"
        self._dialect = dialect
        self._database = database
        self._options = options

    def execute(
        self, cursor: DBAPICursor, statement: str, parameters: Any, context: ExecutionContext | None = None
    ) -> Any:
        """Execute the statement and make its span."""
        current = get_current()
        connection: Connection | None = getattr(context, "root_connection", None)
        # A dialect's first questions on a new connection are part of opening it: a metric, and no span.
        if connection is None or not connection._allow_autobegin or suppressed(current):  # noqa: SLF001
            return self._original(cursor, statement, parameters, context)
        if self._options.commenting:
            return self._commented(connection, cursor, statement, parameters, context)
        batch = len(parameters) if self._many else 0
        start = time_ns()
        try:
            answer = self._original(cursor, statement, parameters, context)
        except BaseException as error:
            self._finish(connection, statement, current, (start, time_ns()), (-1, batch), error)
            raise
        self._finish(connection, statement, current, (start, time_ns()), (cursor.rowcount, batch))
        return answer

    def execute_no_params(
        self, cursor: DBAPICursor, statement: str, context: ExecutionContext | None = None
    ) -> Any:
        """Execute a statement that the driver gets without parameters."""
        return self.without_parameters().execute(cursor, statement, None, context)

    def _finish(
        self,
        connection: Connection,
        statement: str,
        current: Context,
        times: tuple[int, int],
        counts: tuple[int, int],
        error: BaseException | None = None,
    ) -> None:
        with _GUARD:
            database = self._database
            entry = database.entry(statement, batch=counts[1] > 1)
            attributes = self._attributes(entry, counts, error)
            tracer = database.tracer or self._options.tracer
            span = tracer.start_span(entry.name, current, SpanKind.CLIENT, attributes, None, times[0])
            end(span, entry, connection, times, error)
