"""One event of structlog's, on its way to becoming a log record."""

from __future__ import annotations

import logging
import sys
import threading
from time import time_ns
from typing import TYPE_CHECKING, Any

from otel_distro.guard import guard, rendered
from otel_distro.logs.call import Call
from otel_distro.logs.severity import severity
from otel_distro.logs.stream import is_console
from otel_distro.logs.value import MAX_BODY, add, cut
from otel_distro.record import LogRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import FrameType

    from otel_distro.record import Value

_LEVELS = {"warn": "WARNING", "exception": "ERROR", "fatal": "CRITICAL", "err": "ERROR", "failure": "ERROR", "msg": "INFO"}
_NAMES_OF_BODY = ("event", "message", "msg")
_LOCATION = {"pathname": "code.file.path", "lineno": "code.line.number", "func_name": "code.function.name"}
_ELSEWHERE = frozenset(
    {"level", "log_level", "level_number", "timestamp", "logger", "logger_name", "exc_info", "stack_info", "exception"}
    | {"stack", "positional_args", "filename", "thread_name", *_LOCATION}
)
"""Keys that structlog's own processors add, and that a record has a field for."""


class EventCall(Call):
    """A call of a structlog logger, with the event as it is before it is rendered."""

    __slots__ = ("drop", "error", "event", "frame", "keep_silent", "logger", "method", "own_console", "template", "values")

    def __init__(  # noqa: PLR0913, PLR0917 - hot path
        self,
        logger: Any,
        method: str,
        event: object,
        drop: type[Exception],
        own_console: bool,  # noqa: FBT001
    ) -> None:
        super().__init__()
        self.logger = logger
        self.method = method
        self.event = event
        self.drop = drop
        self.own_console = own_console
        self.values: Mapping[str, Any] | None = None
        self.error: BaseException | None = None
        self.frame: FrameType | None = None

    def passed_on(self, name: str, text: str) -> bool:  # noqa: ARG002 - rendered, the text is another
        """structlog feeds the standard library: the record of the logger that it wraps."""
        return isinstance(self.logger, logging.Logger) and name == self.logger.name

    def around_last(self, processors: Iterable[Any]) -> tuple[Any, ...]:
        """The chain, with ours around its last link."""
        chain = tuple(processors)
        last: Callable[..., Any] = chain[-1] if chain else _as_is

        def final(logger: Any, method: str, values: Any) -> Any:
            with guard("structlog.event"):
                self._see(values)
            if self.console and _renders_only(last):
                raise self.drop
            try:
                result = last(logger, method, values)
            except self.drop:
                self.values, self.console = None, False
                raise
            if self.console:  # our line takes the place of what the wrapped logger would print
                raise self.drop
            return result

        return (*chain[:-1], final)

    def _see(self, values: Any) -> None:
        if not hasattr(values, "items"):  # rendered already
            values = {}
        self.values = dict(values)
        self.error = _error(values.get("exc_info", self.method == "exception"))
        self.frame = _caller()
        self.console = self.own_console and _prints(self.logger)

    def build(self) -> tuple[LogRecord, BaseException | None] | None:
        """The record; None when a processor or the standard library's level dropped the event."""
        if self.values is None or (_feeds_stdlib(self.logger) and not self.reached):
            return None
        values = self.values
        body = next((name for name in _NAMES_OF_BODY if name in values), None)
        attributes: dict[str, Value] = dict(self.attributes) if self.attributes else {}
        self._locate(attributes)
        add(attributes, [(k, v) for k, v in values.items() if k != body and k not in _ELSEWHERE and k[:1] != "_"])
        if self.error is None and isinstance(values.get("exception"), str):
            attributes["exception.stacktrace"] = cut(values["exception"], MAX_BODY)
        if isinstance(values.get("stack"), str):
            attributes["code.stacktrace"] = cut(values["stack"], MAX_BODY)
        level = _LEVELS.get(self.method, self.method.upper())
        number = logging.getLevelName(level)
        record = LogRecord(
            time_ns(),
            severity(number if isinstance(number, int) else logging.INFO),
            level,
            self._scope(values),
            cut(_body(self.event if body is None else values[body], values.get("positional_args")), MAX_BODY),
            attributes=attributes,
            console=self.console,
        )
        return record, self.error

    def _scope(self, values: Mapping[str, Any]) -> str:
        name = self.name or values.get("logger") or getattr(self.logger, "name", None)
        if isinstance(name, str):
            return str(name)
        return "structlog" if self.frame is None else str(self.frame.f_globals.get("__name__", "structlog"))

    def _locate(self, attributes: dict[str, Value]) -> None:
        frame, self.frame_done = self.frame, None
        if frame is not None:
            attributes["code.file.path"] = frame.f_code.co_filename
            attributes["code.line.number"] = frame.f_lineno
            attributes["code.function.name"] = frame.f_code.co_name
        thread = threading.current_thread().name
        if thread != "MainThread":
            attributes["thread.name"] = thread


def _as_is(logger: Any, method: str, values: Any) -> Any:  # noqa: ARG001 - a processor's signature
    return values
