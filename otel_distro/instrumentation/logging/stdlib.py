"""One record of the standard library's logging, on its way to becoming one of ours."""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING

from otel_distro.context.work import request_id
from otel_distro.guard import rendered
from otel_distro.instrumentation.logging.upstream import FIELDS
from otel_distro.logs.call import THREAD, Call
from otel_distro.logs.severity import severity
from otel_distro.logs.value import MAX_BODY, MAX_TEXT, Names, add, cut
from otel_distro.record import Fixed, LogRecord

if TYPE_CHECKING:
    from otel_distro.record import Value

_OURS = frozenset({"message", "asctime", "taskName", "color_message", *FIELDS})
_NAMES = Names(frozenset(logging.makeLogRecord({}).__dict__) | _OURS)
_PLAIN = len(logging.makeLogRecord({}).__dict__)
_ACCESS = "uvicorn.access"
_MAIN = "MainThread"
_FORMAT_ERROR = "otel_distro.log.format_error"
_MAX_PLACES = 4096
_NOWHERE = Fixed({})
_places: dict[tuple[str, int, str | None], Fixed] = {}


class StdlibCall(Call):
    """A call of `logging`; what the app's filters put into the record is part of it."""

    __slots__ = ("level_name", "own_access_line", "shown")

    source: logging.LogRecord

    def __init__(self, record: logging.LogRecord, own_access_line: bool) -> None:  # noqa: FBT001 - hot path
        self.source = self.shown = record
        self.console = self.reached = False
        self.name = self.attributes = None
        self.formatted = ()
        self.outer = THREAD.call
        THREAD.call = self
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
        error: BaseException | None = None
        attributes: dict[str, Value]
        place = _place(shown)
        if self.attributes is None and _is_bare(shown):
            attributes = place
        else:
            attributes = {**self.attributes, **place} if self.attributes else dict(place)
            error = _describe(shown, attributes)
        level = severity(shown.levelno)
        record = LogRecord(int(shown.created * 1e9), level, str(self.level_name), shown.name, "", console=self.console)
        if not shown.args and type(shown.msg) is str:
            record.body = cut(shown.msg, MAX_BODY)
        else:
            record.body, attributes = _message(shown, attributes)
        record.attributes = attributes
        return record, error


def _message(record: logging.LogRecord, attributes: dict[str, Value]) -> tuple[str, dict[str, Value]]:
    """The text as of now; the bare template and a note when the arguments do not fit it."""
    notes: dict[str, Value] = {}

    def template(failure: Exception) -> str:
        notes[_FORMAT_ERROR] = cut(rendered(lambda: f"{type(failure).__name__}: {failure}"), MAX_TEXT)
        return rendered(lambda: str(record.msg))

    text = cut(rendered(record.getMessage, template), MAX_BODY)
    return text, {**attributes, **notes} if notes else attributes


def _is_bare(record: logging.LogRecord) -> bool:
    """Whether nothing is known of it but what every record has."""
    return (
        len(record.__dict__) == _PLAIN
        and record.threadName == _MAIN
        and not (record.exc_info or record.exc_text or record.stack_info)
    )


def _place(record: logging.LogRecord) -> Fixed:
    """Where it was logged: one object for each place."""
    path, line, function = key = (record.pathname, record.lineno, record.funcName)
    if type(path) is not str or type(line) is not int or not line:
        return _NOWHERE
    known = _places.get(key)
    if known is None:
        found: dict[str, Value] = {"code.file.path": path, "code.line.number": line}
        if type(function) is str and function:
            found["code.function.name"] = function
        if len(_places) >= _MAX_PLACES:
            _places.clear()
        known = _places[key] = Fixed(found)
    return known


def _describe(record: logging.LogRecord, attributes: dict[str, Value]) -> BaseException | None:
    """What else is known; returns the exception it is about."""
    if record.threadName and record.threadName != _MAIN:
        attributes["thread.name"] = record.threadName
    values = record.__dict__
    if len(values) != _PLAIN:
        # `logging` sets its own values first; a class of the app's may do otherwise
        skipped = _PLAIN if type(record) is logging.LogRecord else 0
        add(attributes, islice(values.items(), skipped, None), _NAMES)
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
