"""The one method of structlog's bound loggers through which every event leaves."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

from otel_distro.instrumentation.structlog.event import EventCall
from otel_distro.logs.call import wanted

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_METHOD = "_proxy_to_logger"


def replace_proxy(base: ModuleType, *, own_console: bool) -> Callable[[], None]:
    """Put our version of `BoundLoggerBase._proxy_to_logger` in place; returns the undo."""
    owner = base.BoundLoggerBase
    original = owner.__dict__[_METHOD]
    active = [True]

    def start(bound: Any, method: str, event: Any) -> tuple[EventCall | None, Any]:
        if not active or not wanted():
            return None, bound
        call = EventCall(bound._logger, method, event, base.DropEvent, own_console)  # noqa: SLF001 - its subclass's view
        # As `bind()` makes one: the same logger and context, and ours around the last processor, the renderer.
        return call, type(bound)(bound._logger, call.around_last(bound._processors), bound._context)  # noqa: SLF001

    # A frame of structlog's by its globals: structlog finds the caller of a log call by skipping frames of its own.
    ours = FunctionType(
        _proxy_to_logger.__code__, {"__name__": base.__name__, "start": start, "original": original}, _METHOD
    )
    setattr(owner, _METHOD, ours)

    def undo() -> None:
        active.clear()
        if owner.__dict__[_METHOD] is ours:
            setattr(owner, _METHOD, original)

    return undo


def _proxy_to_logger(self, method_name, event=None, **event_kw):  # type: ignore[no-untyped-def] # noqa: ANN
    """Like structlog's: run the processors, call the wrapped logger."""
    call, bound = start(self, method_name, event)  # type: ignore[name-defined]  # noqa: F821 - globals are given above
    try:
        return original(bound, method_name, event, **event_kw)  # type: ignore[name-defined]  # noqa: F821
    finally:
        if call is not None:
            call.leave()
