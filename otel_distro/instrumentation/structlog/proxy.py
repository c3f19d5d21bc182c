"""The one method of structlog's bound loggers through which every event leaves."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

from otel_distro.guard import FAULT, report
from otel_distro.instrumentation.structlog.event import EventCall, Wrapped
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

    def start(bound: Any, method: str, event: object, values: dict[str, Any]) -> tuple[EventCall | None, Any]:
        if not active or not wanted():
            return None, bound
        wrapped = Wrapped(bound._logger, base.DropEvent, own_console)  # noqa: SLF001 - as a subclass sees it
        call = EventCall(wrapped, method, event, values.get("exc_info", method == "exception"))
        try:
            # As `bind()` makes one: same logger, same context; with ours around the last processor, the renderer.
            return call, type(bound)(bound._logger, call.around_last(bound._processors), bound._context)  # noqa: SLF001
        except BaseException:
            call.withdraw()
            raise

    # By its globals a function of structlog's: that is how structlog tells its own frames from the caller's.
    names = {"__name__": base.__name__, "start": start, "original": original, "FAULT": FAULT, "report": report}
    ours = FunctionType(_proxy_to_logger.__code__, names, _METHOD, _proxy_to_logger.__defaults__)
    setattr(owner, _METHOD, ours)

    def undo() -> None:
        active.clear()
        if owner.__dict__[_METHOD] is ours:
            setattr(owner, _METHOD, original)

    return undo


def _proxy_to_logger(self, method_name, event=None, **event_kw):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN003, ANN202
    call, bound = None, self
    try:
        call, bound = start(self, method_name, event, event_kw)  # type: ignore[name-defined]  # noqa: F821
    except FAULT as fault:
        report("structlog.start", fault)
    try:
        return original(bound, method_name, event, **event_kw)  # type: ignore[name-defined]  # noqa: F821
    finally:
        try:
            if call is not None:
                call.leave()
        except FAULT as fault:
            report("structlog.event", fault)
