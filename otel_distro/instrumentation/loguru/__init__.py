"""loguru: every record that passes its level, with its extra values, whatever sinks there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_distro import config
from otel_distro.instrumentation import Instrumentor
from otel_distro.logs.stream import line_format

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from otel_distro.instrumentation.loguru.sinks import Patch


class LoguruInstrumentor(Instrumentor):
    """Records where loguru makes its records: `remove()`, `add()` and `configure()` do not change that."""

    _patch: Patch | None = None

    def hooks(self) -> dict[str, Callable[[ModuleType, dict[str, Any]], None]]:
        """The module of loguru's logger, loaded by `import loguru`."""
        return {"loguru._logger": self._hook}

    def unhook(self) -> None:
        """Put loguru's own methods back."""
        if self._patch is not None:
            self._patch.remove()
        self._patch = None

    def _hook(self, module: ModuleType, options: dict[str, Any]) -> None:  # noqa: ARG002 - the hook's signature
        from otel_distro.instrumentation.loguru.sinks import Patch  # most processes have no loguru

        self._patch = Patch(module, own_console=line_format(config.current().log_format) != "app")
