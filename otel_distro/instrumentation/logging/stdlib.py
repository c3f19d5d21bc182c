"""One record of the standard library's logging, on its way to becoming one of ours."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from otel_distro.context.work import request_id
from otel_distro.guard import rendered
from otel_distro.logs.call import Call
from otel_distro.logs.severity import severity
from otel_distro.logs.value import MAX_BODY, MAX_TEXT, add, cut
from otel_distro.record import LogRecord

if TYPE_CHECKING:
    from otel_distro.record import Value

_OURS = frozenset({"message", "asctime", "taskName", "color_message"})
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | _OURS
_PLAIN = len(logging.makeLogRecord({}).__dict__)
_ACCESS = "uvicorn.access"


class StdlibCall(Call):
    """A call of `logging`; what the app's filters put into the record is part of it."""

    __slots__ = ("level_name", "own_access_line", "shown")

    source: logging.LogRecord

    def __init__(self, record: logging.LogRecord, own_access_line: bool) -> None:  # noqa: FBT001 - hot path
        super().__init__(record)
        self.shown = record
        self.level_name = record.levelname  # before a formatter paints it
        self.own_access_line = own_access_line

    def passed_on(self, name: str, text: str) -> bool:  # noqa: ARG002 - its new name does not matter
        """The InterceptHandler recipe of loguru: the same text, logged again while the handlers run."""
        return text == cut(rendered(self.shown.getMessage), MAX_BODY)

    def build(self) -> tuple[LogRecord, BaseException | None] | None:
        """The record, unless it is an access line of uvicorn's that `request_completed` stands for."""
        shown = self.shown
        if shown.name == _ACCESS and self.own_access_line and request_id() is not None:
            return None
        attributes: dict[str, Value] = dict(self.attributes) if self.attributes else {}
        error = _describe(shown, attributes)
        return (
            LogRecord(
                int(shown.created * 1e9),
                severity(shown.levelno),
                str(self.level_name),
                shown.name,
                _message(shown, attributes),
                attributes=attributes,
                console=self.console,
            ),
            error,
        )


def _message(record: logging.LogRecord, attributes: dict[str, Value]) -> str:
    """The text as of now; the bare template and a note when the arguments do not fit it."""
    if not record.args and type(record.msg) is str:
        return cut(record.msg, MAX_BODY)

    def template(failure: Exception) -> str:
        attributes["otel_distro.log.format_error"] = cut(
            rendered(lambda: f"{type(failure).__name__}: {failure}"), MAX_TEXT
        )
        return rendered(lambda: str(record.msg))

    return cut(rendered(record.getMessage, template), MAX_BODY)


def _describe(record: logging.LogRecord, attributes: dict[str, Value]) -> BaseException | None:
    """Where it was logged and what else is known; returns the exception it is about."""
    if type(record.lineno) is int and record.lineno and type(record.pathname) is str:
        attributes["code.file.path"] = record.pathname
        attributes["code.line.number"] = record.lineno
        if record.funcName:
            attributes["code.function.name"] = record.funcName
    if record.threadName and record.threadName != "MainThread":
        attributes["thread.name"] = record.threadName
    values = record.__dict__
    if len(values) != _PLAIN:
        add(
            attributes,
            [(k, v) for k, v in values.items() if k not in _STANDARD and not str(k).startswith("_")],
        )
    if record.stack_info:
        attributes["code.stacktrace"] = cut(str(record.stack_info), MAX_BODY)
    return _exception(record, attributes) if record.exc_info or record.exc_text else None


def _exception(record: logging.LogRecord, attributes: dict[str, Value]) -> BaseException | None:
    info = record.exc_info
    error = info[1] if isinstance(info, tuple) and len(info) > 1 else info
    if isinstance(error, BaseException):
        return error
    if not info and record.exc_text:  # the exception stayed in the process that made the record
        attributes["exception.stacktrace"] = cut(str(record.exc_text), MAX_BODY)
    return None
