"""structlog: every event with its values, whether it prints them itself or feeds the standard library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_distro import config
from otel_distro.instrumentation import Instrumentor
from otel_distro.logs.stream import line_format

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


class StructlogInstrumentor(Instrumentor):
    """Records events where all bound loggers pass them on: `configure()`, before or after, keeps working."""

    _undo: Callable[[], None] | None = None

    def hooks(self) -> dict[str, Callable[[ModuleType, dict[str, Any]], None]]:
        """The module of the bound loggers' base class, loaded by `import structlog`."""
        return {"structlog._base": self._hook}

    def unhook(self) -> None:
        """Put structlog's own method back."""
        if self._undo is not None:
            self._undo()
        self._undo = None

    def _hook(self, module: ModuleType, options: dict[str, Any]) -> None:  # noqa: ARG002 - the hook's signature
        from otel_distro.instrumentation.structlog.proxy import replace_proxy  # most processes have no structlog

        self._undo = replace_proxy(module, own_console=line_format(config.current().log_format) != "app")
