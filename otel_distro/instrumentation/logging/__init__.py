"""The standard library's logging: every record that passes the app's levels, whatever its handlers are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_distro import config
from otel_distro.instrumentation import Instrumentor, StandBack
from otel_distro.instrumentation.logging import upstream
from otel_distro.instrumentation.logging.handlers import Patch
from otel_distro.instrumentation.logging.level import pin_root_level
from otel_distro.logs.stream import line_format

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType


class LoggingInstrumentor(Instrumentor):
    """Records what the app logs; lines of our console take the place of those of its console handlers.

    Options of `instrument()` as upstream's: `set_logging_format`, `logging_format`, `log_level`,
    `inject_trace_context`, `log_hook`.
    """

    _undo: tuple[Callable[[], None], ...] = ()
    _factory: upstream.Factory | None = None
    _upstream = StandBack(instrument=upstream.instrument(lambda: LoggingInstrumentor()))  # noqa: PLW0108

    def hooks(self) -> dict[str, Callable[[ModuleType, dict[str, Any]], None]]:
        """`logging` is always imported already."""
        return {"logging": self._hook, "opentelemetry.instrumentation.logging": self._hook_upstream}

    def unhook(self) -> None:
        """Put the methods of `logging` and the root logger's level back."""
        undo, self._undo = self._undo, ()
        for step in undo:
            step()
        if self._factory is not None:
            self._factory.remove()
            self._factory = None
        self._upstream.release()

    def configure(self, given: Mapping[str, Any]) -> None:
        """Put on each record what these options ask for, in place of those before."""
        if self._factory is not None:
            self._factory.remove()
        self._factory = upstream.asked_for(given)

    def _hook_upstream(self, module: ModuleType, _options: dict[str, Any]) -> None:
        self._upstream.hold(module.LoggingInstrumentor)

    def _hook(self, module: ModuleType, options: dict[str, Any]) -> None:  # noqa: ARG002 - the hook's signature
        self.configure(options)
        settings = config.current()
        level = settings.log_level
        patch = Patch(
            own_console=line_format(settings.log_format) != "app",
            own_access_line=settings.access_log,
            without_handlers=bool(level),
        )
        self._undo = (patch.remove, pin_root_level(level)) if level else (patch.remove,)
