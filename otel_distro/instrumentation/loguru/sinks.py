"""The two methods of loguru that each record passes: where it is made, and where a handler takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_distro.guard import FAULT, report
from otel_distro.instrumentation.loguru.message import MessageCall
from otel_distro.logs.call import THREAD, wanted
from otel_distro.logs.stream import is_console

if TYPE_CHECKING:
    from types import ModuleType

_LOG, _EMIT = "_log", "emit"
_DEPTH, _PATCHERS = 1, 7
"""Where loguru's options keep how many frames the caller is away, and what may change a record."""


class Patch:
    """Our versions of `Logger._log` and `Handler.emit`, in place until `remove`."""

    def __init__(self, module: ModuleType, *, own_console: bool) -> None:
        self.active = True
        self._replaced: list[tuple[type, str, Any, Any]] = []
        self._replace(module.Logger, _LOG, self._log(module.Logger.__dict__[_LOG]))
        if own_console:
            self._replace(module.Handler, _EMIT, self._emit(module.Handler.__dict__[_EMIT]))

    def remove(self) -> None:
        """Put the original methods back, or go to sleep below a patch that was put over ours meanwhile."""
        self.active = False
        for owner, name, ours, original in self._replaced:
            if owner.__dict__[name] is ours:
                setattr(owner, name, original)

    def _replace(self, owner: type, name: str, ours: Any) -> None:
        self._replaced.append((owner, name, ours, owner.__dict__[name]))
        setattr(owner, name, ours)

    def _log(self, original: Any) -> Any:
        patch = self

        def _log(  # noqa: PLR0913 - loguru's signature
            self: Any, level: Any, from_decorator: Any, options: Any, message: Any, args: Any, kwargs: Any
        ) -> Any:
            deeper = [*options]
            deeper[_DEPTH] += 1  # this frame
            call = None
            try:
                if patch.active and wanted():
                    call = MessageCall()
            except FAULT as fault:
                report("loguru.log", fault)
            if call is None:
                return original(self, level, from_decorator, tuple(deeper), message, args, kwargs)
            deeper[_PATCHERS] = [*deeper[_PATCHERS], call.take]
            try:
                return original(self, level, from_decorator, tuple(deeper), message, args, kwargs)
            finally:
                try:
                    call.leave()
                except FAULT as fault:
                    report("loguru.log", fault)

        return _log

    def _emit(self, original: Any) -> Any:
        patch = self

        def emit(self: Any, record: Any, *rest: Any) -> Any:
            call = THREAD.call
            if call is None or call.source is not record or not patch.active:
                return original(self, record, *rest)
            try:
                if _writes_to_console(self):
                    call.console = call.console or _accepts(self, record)
                    return None
            except FAULT as fault:
                report("loguru.emit", fault)
            return original(self, record, *rest)

        return emit


def _writes_to_console(handler: Any) -> bool:
    sink = getattr(handler, "_sink", None)
    stream = getattr(sink, "_stream", None) or getattr(getattr(sink, "_handler", None), "stream", None)
    return is_console(stream)


def _accepts(handler: Any, record: Any) -> bool:
    if handler.levelno > record["level"].no:
        return False
    accepts = getattr(handler, "_filter", None)
    return accepts is None or bool(accepts(record))
