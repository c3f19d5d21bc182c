"""The methods of `logging` that each record passes: to all of its handlers, to one of them, to its formatter."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from otel_distro.guard import FAULT, rendered, report
from otel_distro.instrumentation.logging.formatter import EVENT, PLAIN, TEXT, kind_of, learn, run, telling
from otel_distro.instrumentation.logging.queued import KEY, is_queue, keep_line, print_kept
from otel_distro.instrumentation.logging.stdlib import StdlibCall
from otel_distro.logs.call import THREAD, wanted
from otel_distro.logs.stream import is_console, is_console_path

if TYPE_CHECKING:
    from collections.abc import Callable


class Patch:
    """Our versions of `Logger.callHandlers`, `Handler.handle` and `Handler.format`, in place until `remove`.

    Methods, not a handler on the root logger: that would silence `lastResort` and `basicConfig`, is thrown
    away by Celery and `dictConfig`, and does not see loggers that do not propagate (uvicorn's).
    """

    def __init__(self, *, own_console: bool, own_access_line: bool, without_handlers: bool) -> None:
        self.own_console = own_console
        self.own_access_line = own_access_line
        self.without_handlers = without_handlers
        self.active = True
        self._replaced: list[tuple[type, str, Any, Any]] = []
        self._replace(logging.Logger, "callHandlers", self._call_handlers)
        if own_console:
            self._replace(logging.Handler, "handle", self._handle)
        self._replace(logging.Handler, "format", self._format)

    def remove(self) -> None:
        """Put the original methods back, or go to sleep below a patch that was put over ours meanwhile."""
        self.active = False
        for owner, name, ours, original in self._replaced:
            if owner.__dict__[name] is ours:
                setattr(owner, name, original)

    def _replace(self, owner: type, name: str, make: Callable[[Any], Any]) -> None:
        original = owner.__dict__[name]
        ours = make(original)
        # Recipes that look for the caller (loguru's InterceptHandler) skip the frames of logging's file.
        ours.__code__ = ours.__code__.replace(co_filename=logging.addLevelName.__code__.co_filename)
        ours.__wrapped__ = original
        setattr(owner, name, ours)
        self._replaced.append((owner, name, ours, original))

    def _call_handlers(self, original: Callable[..., None]) -> Callable[..., None]:
        patch = self

        def callHandlers(self: logging.Logger, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
            call = None
            try:
                if patch.active and wanted():
                    call = StdlibCall(record, patch.own_access_line)
            except FAULT as fault:
                report("logging.call", fault)
            if call is None:
                return original(self, record)
            try:
                return original(self, record)
            finally:
                try:
                    if patch.without_handlers and not call.console:
                        call.console = patch.own_console and not has_handlers(self)
                    call.leave()
                except FAULT as fault:
                    report("logging.call", fault)

        return callHandlers

    def _handle(self, original: Callable[..., Any]) -> Callable[..., Any]:
        patch = self

        def handle(self: logging.Handler, record: logging.LogRecord) -> Any:
            call, ours = THREAD.call, False
            if call is not None and call.source is not record:
                call = None
            try:
                if patch.active and (call is not None or (KEY in record.__dict__ and wanted())):
                    ours = writes_to_console(self)
                    if call is not None and not ours and is_queue(self):
                        keep_line(record, call)
            except FAULT as fault:
                report("logging.handle", fault)
            if not ours:
                return original(self, record)
            accepted = self.filter(record)
            try:
                take_line(self, record, accepted, call)  # type: ignore[arg-type]
            except FAULT as fault:
                report("logging.line", fault)
                return original(self, record)
            return accepted

        return handle

    def _format(self, original: Callable[..., Any]) -> Callable[..., Any]:
        patch = self

        def format(self: logging.Handler, record: logging.LogRecord) -> Any:  # noqa: A001 - logging's name
            call = THREAD.call
            if call is None or call.source is not record or not patch.active:
                return original(self, record)
            told: Any = None
            try:
                kind = PLAIN if self.formatter is None else kind_of(self.formatter)
                if kind == EVENT:
                    told = telling(self.formatter, record, call, render=True)
                raw = rendered(record.getMessage) if kind == TEXT else ""
            except FAULT as fault:
                report("logging.format", fault)
                kind = PLAIN
            if told is not None:
                return told.format(record)
            text = original(self, record)
            try:
                if kind == TEXT:
                    learn(self.formatter, text, record, call, raw)
            except FAULT as fault:
                report("logging.format", fault)
            return text

        return format


def take_line(handler: logging.Handler, record: logging.LogRecord, accepted: object, call: StdlibCall | None) -> None:
    """In place of a console handler's own line: one of ours is due, when its filters let the record pass."""
    if not accepted:
        return
    if call is None:
        print_kept(handler, record)
        return
    if isinstance(accepted, logging.LogRecord):
        call.shown = accepted
    if handler.formatter is not None and kind_of(handler.formatter) != PLAIN:
        run(handler.formatter, call.shown, call)
    if getattr(handler, "stream", None) is sys.stdout:
        with suppress(OSError, ValueError):
            handler.flush()  # as before, what the app printed comes before what it logged
    call.console = True


def writes_to_console(handler: logging.Handler) -> bool:
    """True when its lines end in stdout or stderr (also rich's, which has a console instead of a stream)."""
    if isinstance(handler, logging.FileHandler):
        return is_console_path(handler.baseFilename)
    if isinstance(handler, logging.StreamHandler):
        return is_console(handler.stream)
    return is_console(getattr(getattr(handler, "console", None), "file", None))


def has_handlers(logger: logging.Logger) -> bool:
    """True when a handler that does anything takes this logger's records."""
    step: logging.Logger | None = logger
    while step is not None:
        if any(type(handler) is not logging.NullHandler for handler in step.handlers):
            return True
        step = step.parent if step.propagate else None
    return False
