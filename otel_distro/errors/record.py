"""An exception is recorded once: as one log record with its stack, tied to the span and the work it happened in."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, NamedTuple

from opentelemetry import trace

from otel_distro.context.work import current_fields
from otel_distro.errors.stack import render
from otel_distro.guard import rendered
from otel_distro.record import HANDOVER, LogRecord
from otel_distro.semconv.attributes import EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE, EXCEPTION_TYPE
from otel_distro.semconv.own import EXCEPTION_EVENT

if TYPE_CHECKING:
    from collections.abc import Mapping

ERROR_SEVERITY = 17
_MARK = "__otel_distro_recorded__"
_MAX_FRAMES = 64
_MAX_MESSAGE = 4096
_MAX_STACK = 32768


class Recorded(NamedTuple):
    """Where an exception was recorded: a later line about it belongs there and needs no second stack."""

    trace_id: int
    span_id: int
    trace_flags: int
    fields: Mapping[str, str]


def recorded(error: BaseException | None) -> Recorded | None:
    """Where this exception was recorded before, or None."""
    return getattr(error, _MARK, None)


def mark(error: BaseException, where: Recorded) -> None:
    """Remember on the exception itself that it was recorded."""
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


def record_exception(error: BaseException, scope: str) -> None:
    """Emit the one `exception` log record of this exception in the current span; nothing the second time."""
    if recorded(error) is not None:
        return
    now = time_ns()
    context = trace.get_current_span().get_span_context()
    fields = current_fields(now)
    mark(error, Recorded(context.trace_id, context.span_id, context.trace_flags, fields))
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
