"""One CLIENT span per statement, around the dialect's own call of its driver.

SQLAlchemy's events are not used: one listener on engines makes each connection pay for all kinds of events. A span is
made when its statement is over, as nothing below needs it as the current span: drivers have no instrumentation of their
own beside this. Only where a comment carries the trace context to the server it is started before.
"""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context
from opentelemetry.trace import SpanKind, StatusCode

from otel_distro import config
from otel_distro.context.current import get_current
from otel_distro.guard import FAULT, guard, report
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
    from otel_distro.instrumentation.sqlalchemy.comments import Comments
    from otel_distro.instrumentation.sqlalchemy.database import Database, Entry

DIRTY = "_otel_distro_dirty"
"""Attribute of a Connection whose transaction holds something that a rollback takes back."""

EARLY = "_otel_distro_early"
"""Attribute of an execution context: the span that was started before its statement."""

_CLIENT = SpanKind.CLIENT
_METHODS = ("do_execute", "do_executemany", "do_execute_no_params")
_SUPPRESSED = "suppress_instrumentation"
_FAILED = guard("sqlalchemy.query.failed")


class Options:
    """What holds for all engines without options of their own."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer
        self.commenter: Commenter | None = None
        self.comments: Comments | None = None
        """The listener that comments, once any engine's statements are to be commented."""


class Query(NamedTuple):
    """One execution of a statement."""

    connection: Connection
    cursor: DBAPICursor
    statement: str
    parameters: Any


class Early(NamedTuple):
    """A span that was started before its statement, because the statement's comment names it."""

    span: Span
    statement: str
    """The statement without the comment."""
    comment: str
    """What the span's text gets of the comment."""


class Watched:
    """One dialect's way of executing statements; `execute` takes its place."""

    def __init__(self, dialect: Dialect, method: str, database: Database, options: Options) -> None:
        original: Callable[..., Any] = getattr(dialect, method)
        self._original = original
        if method == "do_execute_no_params":
            self._original = lambda cursor, statement, _parameters, context: original(cursor, statement, context)
        self._many = method == "do_executemany"
        self._dialect = dialect
        self._database = database
        self._options = options

    def execute(
        self, cursor: DBAPICursor, statement: str, parameters: Any, context: ExecutionContext | None = None
    ) -> Any:
        """Execute the statement, and make its span."""
        connection: Connection | None = None
        try:
            current = get_current()
            connection = getattr(context, "root_connection", None)
            # A dialect's first questions on a new connection are part of opening it: a metric, and no span.
            if connection is None or not connection._allow_autobegin or (current and suppressed(current)):  # noqa: SLF001
                connection = None
            early = taken(context) if self._options.comments is not None and connection is not None else None
        except FAULT as fault:
            report("sqlalchemy.execute", fault)
            connection = None
        if connection is None:
            return self._original(cursor, statement, parameters, context)
        start = time_ns()
        try:
            answer = self._original(cursor, statement, parameters, context)
        except BaseException as error:
            with _FAILED:
                query = Query(connection, cursor, statement, parameters)
                self._finish(query, current, (start, time_ns()), early, error)
            raise
        try:
            if early is None and not self._many:
                self._answered(connection, cursor, statement, current, start)
            else:
                self._finish(Query(connection, cursor, statement, parameters), current, (start, time_ns()), early)
        except FAULT as fault:
            report("sqlalchemy.query", fault)
        return answer

    def execute_no_params(self, cursor: DBAPICursor, statement: str, context: ExecutionContext | None = None) -> Any:
        """The same for a statement that the driver gets without parameters."""
        return self.execute(cursor, statement, None, context)

    def _answered(
        self, connection: Connection, cursor: DBAPICursor, statement: str, current: Context, start: int
    ) -> None:
        """The usual case: all that the span says was made for an execution before."""
        end = time_ns()
        database = self._database
        entry = database.entry(statement)
        rows = cursor.rowcount if entry.rows_key else -1
        attributes = entry.attributes if rows < 0 else entry.with_rows(rows)
        tracer = database.tracer or self._options.tracer
        span = tracer.start_span(entry.name, current, _CLIENT, attributes, None, start)
        if entry.writes:
            setattr(connection, DIRTY, True)
        if end - start >= config.current().slow_query_ms * 1e6:
            tell(span, entry, (start, end))
        span.end(end)

    def _finish(
        self,
        query: Query,
        current: Context,
        times: tuple[int, int],
        early: Early | None,
        error: BaseException | None = None,
    ) -> None:
        start, end = times
        batch = len(query.parameters) if self._many else 0
        entry = self._database.entry(early.statement if early else query.statement, batch=batch > 1)
        attributes = self._attributes(entry, query, batch, error)
        if early is None:
            tracer = self._database.tracer or self._options.tracer
            span = tracer.start_span(entry.name, current, _CLIENT, attributes, None, start)
        else:
            span = completed(early, attributes)
        if entry.writes or error is not None:
            setattr(query.connection, DIRTY, True)
        if error is not None:
            span.set_status(StatusCode.ERROR)  # no text: the driver's message may hold values
        if end - start >= config.current().slow_query_ms * 1e6:
            tell(span, entry, times)
        span.end(end)

    def _attributes(self, entry: Entry, query: Query, batch: int, error: BaseException | None) -> dict[str, Any]:
        rows = query.cursor.rowcount if error is None and entry.rows_key else -1
        attributes: dict[str, Any] = dict(entry.attributes if rows < 0 else entry.with_rows(rows))
        if batch > 1:
            attributes[BATCH_SIZE.key] = batch
        if error is not None:
            attributes[ERROR_TYPE.key] = error_type(error, self._dialect)
            status = response_status(error)
            if status is not None:
                attributes[RESPONSE_STATUS.key] = status
        return attributes


def suppressed(current: Context) -> bool:
    """Whether somebody asked for no telemetry of what happens here."""
    return bool(current and (current.get(_SUPPRESS_INSTRUMENTATION_KEY) or current.get(_SUPPRESSED)))


def taken(context: ExecutionContext | None) -> Early | None:
    """The span that was started for this execution, if any; asked for once."""
    early: Early | None = getattr(context, EARLY, None)
    if early is not None:
        setattr(context, EARLY, None)
    return early


def completed(early: Early, attributes: dict[str, Any]) -> Span:
    """The span that was started before its statement, with what is known since."""
    span = early.span
    span.set_attributes(attributes)
    if early.comment:
        span.set_attribute(TEXT.key, commented(str(attributes[TEXT.key]), early.comment))
    return span


def watch(dialect: Dialect, database: Database, options: Options) -> None:
    """Make spans of what this dialect executes."""
    for method in _METHODS:
        watched = Watched(dialect, method, database, options)
        setattr(dialect, method, watched.execute_no_params if method.endswith("no_params") else watched.execute)


def unwatch(dialect: Dialect) -> None:
    """The dialect's methods are those of its class again."""
    for method in _METHODS:
        vars(dialect).pop(method, None)
