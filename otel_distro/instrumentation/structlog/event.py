"""One event of structlog's, on its way to becoming a log record."""

from __future__ import annotations

import logging
import sys
import threading
from time import time_ns
from typing import TYPE_CHECKING, Any, NamedTuple

from otel_distro.guard import guard, rendered
from otel_distro.logs.call import Call
from otel_distro.logs.event import body_key, event_text, extras
from otel_distro.logs.severity import severity
from otel_distro.logs.stream import is_console
from otel_distro.logs.value import MAX_BODY, add, cut
from otel_distro.record import LogRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from otel_distro.record import Value

_LEVELS = {
    "WARN": "WARNING",
    "EXCEPTION": "ERROR",
    "ERR": "ERROR",
    "FAILURE": "ERROR",
    "FATAL": "CRITICAL",
    "MSG": "INFO",
}
_RENDERERS = ("structlog.dev", "structlog.processors")
_PRINTERS = "structlog._output"


class Wrapped(NamedTuple):
    """The logger that structlog calls in the end, its signal to drop an event, and whose the console is."""

    logger: Any
    drop: type[Exception]
    own_console: bool

    @property
    def is_stdlib(self) -> bool:
        """True when it is the standard library's, which decides by its levels."""
        return isinstance(self.logger, (logging.Logger, logging.LoggerAdapter))

    @property
    def prints(self) -> bool:
        """True for structlog's own loggers that print to the console."""
        if not self.own_console or type(self.logger).__module__ != _PRINTERS:
            return False
        return is_console(getattr(self.logger, "_file", None))


class EventCall(Call):
    """A call of a structlog logger; its values are taken as processors made them, before they are rendered."""

    __slots__ = ("error", "event", "exc_info", "location", "method", "values", "wrapped")

    def __init__(self, wrapped: Wrapped, method: str, event: object, exc_info: object) -> None:
        super().__init__()
        self.wrapped = wrapped
        self.method = method
        self.event = event
        self.exc_info = exc_info
        self.values: Mapping[str, Any] | None = None
        self.error: BaseException | None = None
        self.location: tuple[str, int, str, str] | None = None

    def passed_on(self, name: str, text: str) -> bool:  # noqa: ARG002 - rendered, its text is another
        """The record of the standard library's logger that this event feeds."""
        return self.wrapped.is_stdlib and name == self.wrapped.logger.name

    def around_last(self, processors: Iterable[Any]) -> tuple[Any, ...]:
        """The chain of processors, with ours around its last one."""
        chain = tuple(processors)
        last: Callable[..., Any] = chain[-1] if chain else _as_is

        def final(logger: Any, method: str, values: Any) -> Any:
            with guard("structlog.event"):
                self._take(values)
            if self.console and getattr(last, "__module__", None) in _RENDERERS:
                raise self.wrapped.drop  # nobody would see what it renders
            try:
                result = last(logger, method, values)
            except self.wrapped.drop:
                self.values = None
                raise
            if self.console:
                raise self.wrapped.drop
            return result

        return (*chain[:-1], final)

    def _take(self, values: Any) -> None:
        self.values = dict(values) if isinstance(values, dict) else {}
        self.error = _error(self.values.get("exc_info") or self.exc_info)
        self.location = _location()
        self.console = self.wrapped.prints

    def build(self) -> tuple[LogRecord, BaseException | None] | None:
        """The record; None when a processor dropped the event, or the standard library's level did."""
        values = self.values
        if values is None or (self.wrapped.is_stdlib and not self.reached):
            return None
        key = body_key(values)
        body = self.event if key is None else values[key]
        level = _LEVELS.get(self.method.upper(), self.method.upper())
        number = logging.getLevelName(level)
        record = LogRecord(
            time_ns(),
            severity(number if isinstance(number, int) else logging.INFO),
            level,
            self._scope(values),
            cut(rendered(lambda: event_text(body, values.get("positional_args"))), MAX_BODY),
            attributes=self._attributes(values),
            console=self.console,
        )
        return record, self.error

    def _scope(self, values: Mapping[str, Any]) -> str:
        name = self.name or values.get("logger") or getattr(self.wrapped.logger, "name", None)
        return name if type(name) is str else self.location[3] if self.location else "structlog"

    def _attributes(self, values: Mapping[str, Any]) -> dict[str, Value]:
        attributes: dict[str, Value] = dict(self.attributes or {})
        if self.location:
            (
                attributes["code.file.path"],
                attributes["code.line.number"],
                attributes["code.function.name"],
                _,
            ) = self.location
        thread = threading.current_thread().name
        if thread != "MainThread":
            attributes["thread.name"] = thread
        add(attributes, extras(values))
        if self.error is None and isinstance(values.get("exception"), str):
            attributes["exception.stacktrace"] = cut(values["exception"], MAX_BODY)
        if isinstance(values.get("stack"), str):
            attributes["code.stacktrace"] = cut(values["stack"], MAX_BODY)
        return attributes


def _as_is(logger: Any, method: str, values: Any) -> Any:  # noqa: ARG001 - a processor's signature
    return values


def _error(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1] if len(exc_info) > 1 and isinstance(exc_info[1], BaseException) else None
    return sys.exc_info()[1] if exc_info else None


def _location() -> tuple[str, int, str, str]:
    """File, line, function and module of the call, as structlog finds it: also behind its async methods."""
    from structlog import _frames

    frame, module = _frames._find_first_app_frame_and_name(["otel_distro."])  # noqa: SLF001 - it has no public name
    return frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name, module
