"""An exception is recorded once: as one log record with its stack, tied to the span and the work it happened in.

That it was is remembered on the exception. An app may raise one object again and again (`raise ERROR` of a constant of
a module), so what is remembered holds for the request it was recorded in, not for the object's life.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from time import time_ns
from types import MappingProxyType
from typing import TYPE_CHECKING

from opentelemetry import trace

from otel_distro.context.work import current_fields
from otel_distro.errors.exception import exception_type
from otel_distro.errors.stack import render
from otel_distro.guard import rendered
from otel_distro.record import HANDOVER, LogRecord
from otel_distro.semconv.attributes import EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE, EXCEPTION_TYPE, REQUEST_ID
from otel_distro.semconv.errors import EXCEPTION_EVENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_distro.errors.judge import Judged
    from otel_distro.record import Value

ERROR_SEVERITY = 17
"""From this number of the log data model on, a line is about an error."""
_MARK = "__otel_distro_recorded__"
_REQUEST_ID = REQUEST_ID.key
_MAX_FRAMES = 64
_MAX_MESSAGE = 4096
_MAX_STACK = 32768
_NOTHING: Mapping[str, Value] = MappingProxyType({})


class Recorded:
    """Where an exception was recorded: a later line about it belongs there and needs no second stack."""

    __slots__ = ("fields", "judged", "span_id", "trace_flags", "trace_id")

    def __init__(
        self, trace_id: int, span_id: int, trace_flags: int, fields: Mapping[str, str], *, judged: bool = True
    ) -> None:
        self.judged = judged
        """Whether it was counted as an error; a line below ERROR only shows it."""
        self.trace_id = trace_id
        self.span_id = span_id
        self.trace_flags = trace_flags
        self.fields = fields

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Nothing of it goes with an exception that is pickled or copied: who reads it may not have this package."""
        return type(None), ()

    def holds_in(self, trace_id: int, fields: Mapping[str, str]) -> bool:
        """True within the same trace and request; outside of any, only for what went there from here."""
        if not trace_id:
            return _LATEST.get() is self
        mine, other = self.fields.get(_REQUEST_ID), fields.get(_REQUEST_ID)
        return trace_id == self.trace_id and (mine == other or mine is None or other is None)


_LATEST: ContextVar[Recorded | None] = ContextVar("otel_distro.recorded", default=None)
"""The latest mark of this context: so a server finds the one of the request that it has just called the app for."""


def recorded(error: BaseException, trace_id: int, fields: Mapping[str, str]) -> Recorded | None:
    """Where this exception was recorded before, when that holds for this trace and work; else None."""
    where: Recorded | None = getattr(error, _MARK, None)
    return where if where is not None and where.holds_in(trace_id, fields) else None


def mark(error: BaseException, where: Recorded) -> None:
    """Remember on the exception itself that it was recorded."""
    _LATEST.set(where)
    try:
        setattr(error, _MARK, where)
    except (AttributeError, TypeError):  # an exception class with __slots__: it may be recorded twice
        return


def exception_attributes(error: BaseException, *, stack: bool = True) -> dict[str, Value]:
    """Type, message and stack, rendered now and truncated; whatever the exception's `__str__` does."""
    attributes: dict[str, Value] = {
        EXCEPTION_TYPE.key: exception_type(error),
        EXCEPTION_MESSAGE.key: rendered(lambda: str(error))[:_MAX_MESSAGE],
    }
    if stack:
        attributes[EXCEPTION_STACKTRACE.key] = rendered(lambda: render(error, _MAX_FRAMES))[-_MAX_STACK:]
    return attributes


def error_attributes(error: BaseException, *, handled: bool) -> dict[str, Value]:
    """What a line about an error carries: type, message, fingerprint, and the stack unless it was just told often."""
    judged = _judge(error, handled=handled)
    return {**exception_attributes(error, stack=judged.whole or judged.expected), **judged.attributes}


def _judge(error: BaseException, *, handled: bool) -> Judged:
    from otel_distro.errors.judge import judge  # with the first error: a start needs none of it

    return judge(error, handled=handled)


def record_exception(
    error: BaseException,
    scope: str,
    *,
    handled: bool = False,
    context: Mapping[str, Value] = _NOTHING,
    console: bool = True,
) -> Recorded | None:
    """Emit the one `exception` log record of this exception in the current span; nothing the second time.

    None when the app's settings say that it is no defect. `context` goes with the record, below the exception's own.
    """
    now = time_ns()
    current = trace.get_current_span().get_span_context()
    fields = current_fields(now)
    before = recorded(error, current.trace_id, fields)
    if before is not None and before.judged:
        _LATEST.set(before)  # it may have been recorded in a thread or task, whose context ended there
        return before
    judged = _judge(error, handled=handled)
    if judged.expected:
        return None
    where = Recorded(current.trace_id, current.span_id, current.trace_flags, fields)
    mark(error, where)
    if judged.whole:
        attributes = {**context, **exception_attributes(error), **judged.attributes}
        emit(attributes, where, now, scope, console=console)
    return where


def emit(attributes: dict[str, Value], where: Recorded, now_ns: int, scope: str, *, console: bool) -> None:
    """Hand over the record of an exception."""
    HANDOVER.sink.log(
        LogRecord(
            now_ns,
            ERROR_SEVERITY,
            "ERROR",
            scope,
            f"{attributes[EXCEPTION_TYPE.key]!s}: {attributes[EXCEPTION_MESSAGE.key]!s}",
            attributes=attributes,
            fields=where.fields,
            trace_id=where.trace_id,
            span_id=where.span_id,
            trace_flags=where.trace_flags,
            event_name=EXCEPTION_EVENT.name,
            console=console,
        )
    )


def prepare() -> None:
    """Load what the first error needs; at the start, as a thread that imports may be forked in the middle of it."""
    from otel_distro.errors.grouping import offered

    offered()


def forget() -> None:
    """In a forked child: what its parent has suppressed, the parent tells."""
    judge = sys.modules.get("otel_distro.errors.judge")
    if judge is not None:
        judge.forget()
