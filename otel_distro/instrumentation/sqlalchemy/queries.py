"""One CLIENT span per statement, made when it is over: nothing below needs it as the current span.

Drivers have no instrumentation of their own beside this; SQLAlchemy's log lines belong to the work around.
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
    BATCH_SIZE,
    DURATION_MS,
    NAMESPACE,
    RESPONSE_STATUS,
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
_IN_EVENT = (SYSTEM.key, NAMESPACE.key, SUMMARY.key, TEXT.key)
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

    def before(
        self,
        conn: Connection,
        cursor: DBAPICursor,  # noqa: ARG002
        statement: str,
        parameters: Any,
        context: Execution | None,
        executemany: bool,  # noqa: ARG002, FBT001
    ) -> tuple[str, Any]:
        """Note the time. (Listener, as the next two)."""
        # A dialect's first questions on a new connection are part of opening it: a metric, and no span.
        if context is not None and conn._allow_autobegin:  # noqa: SLF001 - nothing public tells them apart
            if self.commenting:
                with _GUARD:
                    statement = self._comment(conn, statement, context)
            context.otel_distro_start = time_ns()
        return statement, parameters

    def after(
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
        if start:
            context.otel_distro_start = 0
            with _GUARD:
                batch = len(parameters) if executemany and type(parameters) is list else 0
                self._finish(conn, statement, context, (start, end), (cursor.rowcount, batch))

    def failed(self, failure: ExceptionContext) -> None:
        """Make the span of a statement that raised."""
        end = time_ns()
        context: Any = failure.execution_context
        start: int = getattr(context, _START, 0)
        if start and failure.connection is not None:
            context.otel_distro_start = 0
            with _GUARD:
                self._finish(
                    failure.connection, failure.statement or "", context, (start, end), (-1, 0), failure
                )

    def _finish(
        self,
        conn: Connection,
        statement: str,
        context: Execution,
        times: tuple[int, int],
        counts: tuple[int, int],
        failure: ExceptionContext | None = None,
    ) -> None:
        current = get_current()
        if suppressed(current):
            return
        start, end = times
        early: Early | None = getattr(context, _EARLY, None) if self.commenting else None
        database = database_of(conn.engine)
        entry = database.entry(early.statement if early else statement, batch=counts[1] > 1)
        if entry.writes or failure is not None:
            setattr(conn, DIRTY, True)
        attributes = described(entry, counts, failure)
        if early is None:
            span = self._span(database, entry.name, attributes, current, start)
        else:
            span = started(early, attributes)
        if failure is not None:
            span.set_status(StatusCode.ERROR)  # no text: the driver's message may hold values
        if end - start >= config.current().slow_query_ms * 1e6:
            slow(span, entry, times)
        span.end(end)

    def _span(
        self, database: Database, name: str, attributes: dict[str, Any], current: Context, start: int
    ) -> Span:
        tracer = database.tracer or self.tracer
        return tracer.start_span(name, current, SpanKind.CLIENT, attributes, None, start)

    def _comment(self, conn: Connection, statement: str, context: Execution) -> str:
        context.otel_distro_early = None
        database = database_of(conn.engine)
        commenter = database.commenter or self.commenter
        current = get_current()
        if commenter is None or suppressed(current):
            return statement
        entry = database.entry(statement)
        span = self._span(database, entry.name, entry.attributes, current, time_ns())
        comment = commenter.comment(conn.engine, span)
        context.otel_distro_early = Early(span, statement, comment if commenter.in_attribute else "")
        return commented(statement, comment)


def suppressed(current: Context) -> bool:
    """Whether somebody asked for no telemetry of what happens here."""
    return bool(current and (current.get(_SUPPRESS_INSTRUMENTATION_KEY) or current.get(_SUPPRESSED)))


def described(entry: Entry, counts: tuple[int, int], failure: ExceptionContext | None) -> dict[str, Any]:
    """The statement's attributes with those of this execution: rows, size of the batch, failure."""
    rows, batch = counts
    if rows < 0 and failure is None and batch <= 1:
        return entry.attributes
    attributes = entry.attributes.copy()
    if rows >= 0 and entry.rows_key:
        attributes[entry.rows_key] = rows
    if batch > 1:
        attributes[BATCH_SIZE.key] = batch
    if failure is not None:
        raised = failure.sqlalchemy_exception or failure.original_exception
        attributes[ERROR_TYPE.key] = exception_type(raised)
        status = response_status(failure.original_exception)
        if status is not None:
            attributes[RESPONSE_STATUS.key] = status
    return attributes


def started(early: Early, attributes: dict[str, Any]) -> Span:
    """The span that was started before its statement, with what is known since."""
    span = early.span
    span.set_attributes(attributes)
    if early.comment:
        span.set_attribute(TEXT.key, commented(str(attributes[TEXT.key]), early.comment))
    return span


def slow(span: Span, entry: Entry, times: tuple[int, int]) -> None:
    """Say that this query was slow: on its span, in the counter, and as an event in its trace."""
    span.set_attribute(SLOW.key, True)  # noqa: FBT003 - the API's signature
    start, end = times
    milliseconds = (end - start) / 1e6
    where = span.get_span_context()
    trace_id, span_id, flags = where.trace_id, where.span_id, where.trace_flags
    HANDOVER.sink.measure(Measurement(SLOW_QUERIES, 1, entry.key, trace_id, span_id, flags))
    shown = {key: entry.attributes[key] for key in _IN_EVENT if key in entry.attributes}
    HANDOVER.sink.log(
        LogRecord(
            end,
            WARNING_SEVERITY,
            "WARNING",
            SCOPE,
            f"slow query: {entry.name} took {milliseconds:.0f} ms",
            attributes={**shown, DURATION_MS.key: milliseconds},
            fields=current_fields(end),
            trace_id=trace_id,
            span_id=span_id,
            trace_flags=flags,
            event_name=SLOW_QUERY.name,
        )
    )
