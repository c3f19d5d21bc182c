"""Records that a `QueueHandler` passes to a listener elsewhere: their console line goes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from otel_distro.instrumentation.logging.formatter import run
from otel_distro.logs.call import THREAD
from otel_distro.record import HANDOVER, LogRecord

if TYPE_CHECKING:
    import logging

    from otel_distro.logs.call import Call
    from otel_distro.logs.formatted import Formatted
    from otel_distro.record import Value

KEY = "_otel_distro"
"""Where the line is kept on the app's record, as plain JSON: subclasses of `QueueHandler` send `record.__dict__`."""
_FIELDS = (
    *("time_unix_nano", "severity_number", "severity_text", "scope", "body"),
    *("attributes", "fields", "trace_id", "span_id", "trace_flags"),
)


class _Line:
    """Stands for the call, which is over."""

    formatted: tuple[Formatted, ...] = ()


def is_queue(handler: logging.Handler) -> bool:
    """True for a `QueueHandler`, told by its method so that `logging.handlers` need not be imported."""
    return hasattr(handler, "enqueue") and hasattr(handler, "prepare")


def keep_line(record: logging.LogRecord, call: Call) -> None:
    """Put what our record is now on the app's record; the request's ids are known in this thread only."""
    THREAD.busy = True
    try:
        made = call.preview()
        record.__dict__[KEY] = {name: _jsonable(getattr(made, name)) for name in _FIELDS} if made else {}
    finally:
        THREAD.busy = False


def print_kept(handler: logging.Handler, record: logging.LogRecord) -> None:
    """In place of the line of a listener's console handler: ours, once; it was exported where it was logged."""
    kept = record.__dict__[KEY]
    if kept:
        record.__dict__[KEY] = {}
        line = _Line()
        run(handler.formatter, record, cast("Call", line))
        made = LogRecord(**kept, export=False)
        for formatted in line.formatted:
            formatted.restrict(made, None)
        HANDOVER.sink.log(made)


def _jsonable(value: Any) -> Any:
    if value is None or isinstance(value, (str, int)):
        return value
    return {key: _value(item) for key, item in value.items()}


def _value(value: Value) -> Value:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
