"""The standard library's logging: every record that passes the app's levels, whatever its handlers are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_distro import config
from otel_distro.instrumentation import Instrumentor
from otel_distro.instrumentation.logging.handlers import Patch
from otel_distro.instrumentation.logging.level import pin_root_level
from otel_distro.logs.stream import line_format

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


class LoggingInstrumentor(Instrumentor):
    """Records what the app logs; lines of our console take the place of those of its console handlers."""

    _undo: tuple[Callable[[], None], ...] = ()

    def hooks(self) -> dict[str, Callable[[ModuleType, dict[str, Any]], None]]:
        """`logging` is always imported already."""
        return {"logging": self._hook}

    def unhook(self) -> None:
        """Put the methods of `logging` and the root logger's level back."""
        undo, self._undo = self._undo, ()
        for step in undo:
            step()

    def _hook(self, module: ModuleType, options: dict[str, Any]) -> None:  # noqa: ARG002 - the hook's signature
        settings = config.current()
        level = settings.log_level
        patch = Patch(
            own_console=line_format(settings.log_format) != "app",
            own_access_line=settings.access_log,
            without_handlers=bool(level),
        )
        self._undo = (patch.remove, pin_root_level(level)) if level else (patch.remove,)
