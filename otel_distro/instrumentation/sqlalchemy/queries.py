"""One CLIENT span per statement, made when the statement is over: nothing below it needs it as the current span.

Drivers have no instrumentation of their own beside this one, and SQLAlchemy's log lines belong to the work around them.
Where the statement carries its trace context in a comment, the span is started before it.
"""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context, get_current
from opentelemetry.trace import SpanKind, StatusCode

from otel_distro import config
from otel_distro.context.work import current_fields
from otel_distro.errors.record import exception_type
from otel_distro.guard import guard
from otel_distro.instrumentation.sqlalchemy.commenter import commented
from otel_distro.instrumentation.sqlalchemy.database import database_of
from otel_distro.instrumentation.sqlalchemy.failures import response_status
from otel_distro.record import HANDOVER, LogRecord, Measurement
from otel_distro.semconv.attributes import ERROR_TYPE
from otel_distro.semconv.db import (
    AFFECTED_ROWS,
    BATCH_SIZE,
    DURATION_MS,
    NAMESPACE,
    RESPONSE_STATUS,
    ROWS,
    SCOPE,
    SLOW,
    SLOW_QUERIES,
    SLOW_QUERY,
    SUMMARY,
    SYSTEM,
    TEXT,
)

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer
    from sqlalchemy.engine import Connection, ExceptionContext
    from sqlalchemy.engine.interfaces import DBAPICursor

    from otel_distro.instrumentation.sqlalchemy.commenter import Commenter
    from otel_distro.instrumentation.sqlalchemy.database import Database, Entry

WARNING_SEVERITY = 13
DIRTY = "_otel_distro_dirty"
"""Attribute of a Connection whose transaction holds something that a rollback takes back."""

_SUPPRESSED = "suppress_instrumentation"
_START = "otel_distro_start"
_EARLY = "otel_distro_early"
_GUARD = guard("sqlalchemy.query")


class Execution(Protocol):
    """SQLAlchemy's execution context, on which the start time travels from one listener to the other."""

    otel_distro_start: int
    otel_distro_early: Early | None


class Early(NamedTuple):
    """A span that was started before its statement, because the statement's comment names it."""

    span: Span
    statement: str
    comment: str


class Queries:
    """The listeners of all engines, and the options that hold for all of them."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer
        self.commenter: Commenter | None = None
        self.commenting = False
        """Whether any engine's statements are to be commented."""

    def before(  # noqa: PLR0913, PLR0917 - SQLAlchemy's signature
        self,
        conn: Connection,
        cursor: DBAPICursor,  # noqa: ARG002
        statement: str,
        parameters: Any,
        context: Execution | None,
        executemany: bool,  # noqa: ARG002, FBT001
    ) -> tuple[str, Any]:
        """Note the time."""
        # A dialect's first questions on a new connection belong to opening it, which has a metric but no span.
        if context is not None and conn._allow_autobegin:  # noqa: SLF001 - nothing public tells them apart
            if self.commenting:
                with _GUARD:
                    statement = self._comment(conn, statement, context)
            context.otel_distro_start = time_ns()
        return statement, parameters

    def after(  # noqa: PLR0913, PLR0917 - SQLAlchemy's signature
        self,
        conn: Connection,
        cursor: DBAPICursor,
        statement: str,
        parameters: Any,
        context: Execution,
        executemany: bool,  # noqa: FBT001
    ) -> None:
        """Make the span of a statement that the database has answered."""
        end = time_ns()
        start: int = getattr(context, _START, 0)
        if not start:
            return
        context.otel_distro_start = 0
        with _GUARD:
            early: Early | None = getattr(context, _EARLY, None) if self.commenting else None
            current = get_current()
            if not suppressed(current):
                batch = len(parameters) if executemany and type(parameters) is list else 0
                database = database_of(conn.engine)
                entry = database.entry(early.statement if early else statement, batch=batch > 1)
                if entry.writes:
                    setattr(conn, DIRTY, True)
                attributes = entry.attributes
                rows = cursor.rowcount
                if rows > -1 or batch > 1:
                    attributes = attributes.copy()
                    if rows > -1:
                        attributes[ROWS.key if entry.returns_rows else AFFECTED_ROWS.key] = rows
                    if batch > 1:
                        attributes[BATCH_SIZE.key] = batch
                span = self._span(database, entry, attributes, current, start) if early is None else started(early, attributes)
                if end - start >= config.current().slow_query_ms * 1e6:
                    slow(span, entry, database, start, end)
                span.end(end)

    def failed(self, failure: ExceptionContext) -> None:
        """Make the span of a statement that raised."""
        end = time_ns()
        context: Any = failure.execution_context
        start: int = getattr(context, _START, 0)
        if not start or failure.connection is None:
            return
        context.otel_distro_start = 0
        with _GUARD:
            early: Early | None = getattr(context, _EARLY, None) if self.commenting else None
            current = get_current()
            if suppressed(current):
                return
            setattr(failure.connection, DIRTY, True)
            database = database_of(failure.connection.engine)
            entry = database.entry(early.statement if early else failure.statement or "")
            attributes = entry.attributes.copy()
            attributes[ERROR_TYPE.key] = exception_type(failure.sqlalchemy_exception or failure.original_exception)
            status = response_status(failure.original_exception)
            if status is not None:
                attributes[RESPONSE_STATUS.key] = status
            span = self._span(database, entry, attributes, current, start) if early is None else started(early, attributes)
            span.set_status(StatusCode.ERROR)  # no text: the driver's message may hold values
            if end - start >= config.current().slow_query_ms * 1e6:
                slow(span, entry, database, start, end)
            span.end(end)

    def _span(self, database: Database, entry: Entry, attributes: dict[str, Any], current: Context, start: int) -> Span:  # noqa: PLR0913, PLR0917
        return (database.tracer or self.tracer).start_span(
            entry.name, current, SpanKind.CLIENT, attributes, None, start
        )

    def _comment(self, conn: Connection, statement: str, context: Execution) -> str:
        context.otel_distro_early = None
        database = database_of(conn.engine)
        commenter = database.commenter or self.commenter
        current = get_current()
        if commenter is None or suppressed(current):
            return statement
        entry = database.entry(statement)
        span = self._span(database, entry, entry.attributes, current, time_ns())
        comment = commenter.comment(conn.engine, span)
        context.otel_distro_early = Early(span, statement, comment if commenter.in_attribute else "")
        return commented(statement, comment)


def suppressed(current: Context) -> bool:
    """Whether somebody asked for no telemetry of what happens here."""
    return bool(current and (current.get(_SUPPRESS_INSTRUMENTATION_KEY) or current.get(_SUPPRESSED)))


def started(early: Early, attributes: dict[str, Any]) -> Span:
    """The span that was started before its statement, with what is known since."""
    span = early.span
    span.set_attributes(attributes)
    if early.comment:
        span.set_attribute(TEXT.key, commented(str(attributes[TEXT.key]), early.comment))
    return span


def slow(span: Span, entry: Entry, database: Database, start: int, end: int) -> None:
    """Say that this query was slow: on its span, in the counter, and as an event."""
    span.set_attribute(SLOW.key, True)  # noqa: FBT003 - the API's signature
    where = span.get_span_context()
    ids = {"trace_id": where.trace_id, "span_id": where.span_id, "trace_flags": where.trace_flags}
    HANDOVER.sink.measure(Measurement(SLOW_QUERIES, 1, entry.key, **ids))
    milliseconds = (end - start) / 1e6
    attributes = {
        SYSTEM.key: database.system,
        NAMESPACE.key: database.namespace,
        SUMMARY.key: entry.name,
        TEXT.key: entry.attributes[TEXT.key],
        DURATION_MS.key: milliseconds,
    }
    HANDOVER.sink.log(
        LogRecord(
            end,
            WARNING_SEVERITY,
            "WARNING",
            SCOPE,
            f"slow query: {entry.name} took {milliseconds:.0f} ms",
            attributes={key: value for key, value in attributes.items() if value is not None},
            fields=current_fields(end),
            event_name=SLOW_QUERY.name,
            **ids,
        )
    )
