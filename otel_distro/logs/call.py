"""One log call in progress, and the one record that it becomes.

Libraries pass calls on to each other (structlog to logging, logging to loguru): the first hands it over.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.trace.propagation import _SPAN_KEY

from otel_distro.context.current import get_current
from otel_distro.context.work import current_fields
from otel_distro.errors.exception import exception_type
from otel_distro.errors.record import (
    ERROR_SEVERITY,
    Recorded,
    error_attributes,
    exception_attributes,
    mark,
    recorded,
)
from otel_distro.logs.value import IDS, yield_names
from otel_distro.record import HANDOVER, Discard, Fixed
from otel_distro.semconv.attributes import EXCEPTION_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import Span

    from otel_distro.logs.formatted import Formatted
    from otel_distro.record import LogRecord, Value

_SUPPRESS_PLAIN = "suppress_instrumentation"
_UNHANDLED = frozenset({"asyncio"})
"""Loggers that tell what nobody has caught."""


class _Thread(threading.local):
    """What this thread is at: the innermost log call, and whether our own code runs just now."""

    call: Call | None = None
    busy: bool = False


THREAD = _Thread()


def wanted() -> bool:
    """True when a pipeline takes records, and our own work on another call is not what logs now."""
    return HANDOVER.sink.__class__ is not Discard and not THREAD.busy


class Call:
    """A log call in progress on this thread; `source` is what the library passes to its handlers."""

    __slots__ = ("attributes", "console", "formatted", "name", "outer", "reached", "source")

    def __init__(self, source: object = None) -> None:
        self.source = source
        self.console = False
        self.reached = False
        self.name: str | None = None
        self.attributes: dict[str, Value] | None = None
        self.formatted: tuple[Formatted, ...] = ()
        self.outer = THREAD.call
        THREAD.call = self

    def passed_on(self, name: str, text: str) -> bool:  # noqa: ARG002 - for subclasses
        """True when a call with this logger name and text, made within this one, is this one passed on."""
        return False

    def build(self) -> tuple[LogRecord, BaseException | None] | None:
        """The record and its exception; None when the library itself dropped the call."""
        raise NotImplementedError

    def merge(self, name: str, *, console: bool, attributes: dict[str, Value] | None = None) -> None:
        """Take over what became of this call in the library it was passed on to."""
        self.reached = True
        self.name = name
        self.console = self.console or console
        self.attributes = attributes or self.attributes

    def withdraw(self) -> None:
        """There is no such call after all."""
        THREAD.call = self.outer

    def leave(self) -> None:
        """The call is over: hand its record over, or leave that to the call that it was passed on from.

        Whoever calls guards.
        """
        THREAD.call = self.outer
        THREAD.busy = True
        try:
            built = self.build()
            if built is not None and (self.outer is None or not self._merged(built[0])):
                deliver(*(self._restricted(*built) if self.formatted else built))
        finally:
            THREAD.busy = False

    def preview(self) -> LogRecord | None:
        """The whole record as it is now, for a handler that passes it on to another thread; not to be exported."""
        built = self.build()
        if built is None:
            return None
        if self._merged(built[0]):
            return cast("Call", self.outer).preview()
        record, error = self._restricted(*built)
        record.export, record.console = False, True
        complete(record, error)
        return record

    def _restricted(self, record: LogRecord, error: BaseException | None) -> tuple[LogRecord, BaseException | None]:
        for formatted in self.formatted:
            error = formatted.restrict(record, error)
        return record, error

    def _merged(self, record: LogRecord) -> bool:
        outer = self.outer
        if outer is None or not outer.passed_on(record.scope, record.body):
            return False
        outer.formatted = self.formatted or outer.formatted
        outer.merge(record.scope, console=self.console, attributes=cast("dict[str, Value] | None", record.attributes))
        return True


def deliver(record: LogRecord, error: BaseException | None) -> None:
    """Complete the record and hand it over."""
    if complete(record, error):
        HANDOVER.sink.log(record)


def complete(record: LogRecord, error: BaseException | None) -> bool:
    """Add the current span, the work in hand and the exception; False when nobody is to have the record."""
    context = get_current()
    if context:
        if context.get(_SUPPRESS_INSTRUMENTATION_KEY) or context.get(_SUPPRESS_PLAIN):
            if not record.console:
                return False
            record.export = False
        current: Span | None = context.get(_SPAN_KEY)  # type: ignore[assignment]  # what `get_current_span` looks at
        if current is not None:
            span = current.get_span_context()  # a tuple, whose properties are calls
            record.trace_id, record.span_id, record.trace_flags = span[0], span[1], span[3]
    record.fields = current_fields(record.time_unix_nano)
    attributes = cast("dict[str, Value]", record.attributes)
    if error is None and attributes.__class__ is Fixed:
        return True  # made by us: no name in it is one of the work's
    _fit(record, attributes, error)
    return True


def _fit(record: LogRecord, attributes: dict[str, Value], error: BaseException | None) -> None:
    """Add the exception, and rename what the app calls like something of ours."""
    if error is not None:
        _add_exception(record, attributes, error)
    if record.fields and not record.fields.keys().isdisjoint(attributes):
        yield_names(attributes, record.fields)
    if IDS[0] in attributes or IDS[1] in attributes:
        yield_names(attributes, {IDS[0]: f"{record.trace_id:032x}", IDS[1]: f"{record.span_id:016x}"})


def _add_exception(record: LogRecord, attributes: dict[str, Value], error: BaseException) -> None:
    fields = cast("Mapping[str, str]", record.fields)
    where = recorded(error, record.trace_id, fields)
    if where is None:
        is_error = record.severity_number >= ERROR_SEVERITY
        if is_error:
            attributes.update(error_attributes(error, handled=record.scope not in _UNHANDLED))
        else:
            attributes.update(exception_attributes(error))
        if record.export:
            ids = record.trace_id, record.span_id, record.trace_flags
            mark(error, Recorded(*ids, fields, judged=is_error))
        return
    attributes[EXCEPTION_TYPE.key] = exception_type(error)
    if not record.trace_id:  # its span has ended, as when the server logs it: it belongs where it was raised
        record.trace_id, record.span_id, record.trace_flags = where.trace_id, where.span_id, where.trace_flags
        record.fields = {**where.fields, **fields}
