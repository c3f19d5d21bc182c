"""An exception is recorded once: as one log record with its stack, tied to the span and the work it happened in.

That it was is remembered on the exception. An app may raise one object again and again (`raise ERROR` of a constant of
a module), so what is remembered holds for the request it was recorded in, not for the object's life.
"""

from __future__ import annotations

from contextvars import ContextVar
from time import time_ns
from typing import TYPE_CHECKING

from opentelemetry import trace

from otel_distro.context.work import current_fields
from otel_distro.errors.stack import render
from otel_distro.guard import rendered
from otel_distro.record import HANDOVER, LogRecord
from otel_distro.semconv.attributes import EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE, EXCEPTION_TYPE, REQUEST_ID
from otel_distro.semconv.own import EXCEPTION_EVENT

if TYPE_CHECKING:
    from collections.abc import Mapping

ERROR_SEVERITY = 17
_MARK = "__otel_distro_recorded__"
_REQUEST_ID = REQUEST_ID.key
_MAX_FRAMES = 64
_MAX_MESSAGE = 4096
_MAX_STACK = 32768


class Recorded:
    """Where an exception was recorded: a later line about it belongs there and needs no second stack."""

    __slots__ = ("fields", "span_id", "trace_flags", "trace_id")

    def __init__(self, trace_id: int, span_id: int, trace_flags: int, fields: Mapping[str, str]) -> None:
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


def exception_type(error: BaseException) -> str:
    """Qualified name of the exception's class, as `exception.type` and `error.type`."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def exception_attributes(error: BaseException) -> dict[str, str]:
    """Type, message and stack, rendered now and truncated; whatever the exception's `__str__` does."""
    message = rendered(lambda: str(error))
    stack = rendered(lambda: render(error, _MAX_FRAMES))
    return {
        EXCEPTION_TYPE.key: exception_type(error),
        EXCEPTION_MESSAGE.key: message[:_MAX_MESSAGE],
        EXCEPTION_STACKTRACE.key: stack[-_MAX_STACK:],
    }


def record_exception(error: BaseException, scope: str) -> Recorded:
    """Emit the one `exception` log record of this exception in the current span; nothing the second time."""
    now = time_ns()
    context = trace.get_current_span().get_span_context()
    fields = current_fields(now)
    before = recorded(error, context.trace_id, fields)
    if before is not None:
        _LATEST.set(before)  # it may have been recorded in a thread or task, whose context ended there
        return before
    where = Recorded(context.trace_id, context.span_id, context.trace_flags, fields)
    mark(error, where)
    attributes = exception_attributes(error)
    HANDOVER.sink.log(
        LogRecord(
            now,
            ERROR_SEVERITY,
            "ERROR",
            scope,
            f"{attributes[EXCEPTION_TYPE.key]}: {attributes[EXCEPTION_MESSAGE.key]}",
            attributes=attributes,
            fields=fields,
            trace_id=context.trace_id,
            span_id=context.span_id,
            trace_flags=context.trace_flags,
            event_name=EXCEPTION_EVENT.name,
        )
    )
    return where
