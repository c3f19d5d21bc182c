"""Exceptions that nobody catches: at the end of a script, in threads, and where Python can only print them.

Those of asyncio's tasks are logged by asyncio, and recorded as that line.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from otel_distro.errors.record import record_exception
from otel_distro.guard import FAULT, report
from otel_distro.instrumentation import Instrumentor

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

SCOPE = "otel_distro.exceptions"
_CONTROL = (SystemExit, KeyboardInterrupt, GeneratorExit)


class ExceptionsInstrumentor(Instrumentor):
    """Records by Python's own hooks, before those that were there; a hook that the app sets later is the app's."""

    _replaced: tuple[tuple[ModuleType, str, Any, Any], ...] = ()

    def hooks(self) -> dict[str, Callable[[ModuleType, dict[str, Any]], None]]:
        """All three exist since the interpreter's start, or nearly."""
        return {"sys": self._hook_interpreter, "threading": self._hook_threads}

    def unhook(self) -> None:
        """Put the hooks back that were there, unless there are others by now."""
        for module, name, ours, original in self._replaced:
            if getattr(module, name) is ours:
                setattr(module, name, original)
        self._replaced = ()

    def _hook_interpreter(self, module: ModuleType, _: dict[str, Any]) -> None:
        self._replace(module, "excepthook", lambda arguments: arguments[1])
        self._replace(module, "unraisablehook", lambda arguments: arguments[0].exc_value)

    def _hook_threads(self, module: ModuleType, _: dict[str, Any]) -> None:
        self._replace(module, "excepthook", lambda arguments: arguments[0].exc_value)

    def _replace(self, module: ModuleType, name: str, error_in: Callable[[Any], BaseException | None]) -> None:
        original = getattr(module, name)

        def hook(*arguments: Any) -> Any:
            try:
                error = error_in(arguments)
                if error is not None and not isinstance(error, _CONTROL) and not sys.is_finalizing():
                    record_exception(error, SCOPE, console=False)  # the hook that follows prints it
            except FAULT as fault:
                report(f"exceptions.{name}", fault)
            return original(*arguments)

        setattr(module, name, hook)
        self._replaced += ((module, name, hook, original),)
