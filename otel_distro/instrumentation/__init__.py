"""Instrumentation: speaks to the OpenTelemetry API and `otel_distro.record` only; siblings are independent."""

from __future__ import annotations

import sys
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from wrapt import register_post_import_hook

from otel_distro.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import ModuleType


class Instrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Patches libraries when the app imports them: `instrument()` itself imports none, so unused ones cost nothing."""

    def __init__(self) -> None:
        self._options: dict[str, Any] = {}
        self._active = False

    @abstractmethod
    def hooks(self) -> dict[str, Callable[[ModuleType, dict[str, Any]], None]]:
        """By module name: what to do with the module once it is imported, given the options of `instrument()`."""

    @abstractmethod
    def unhook(self) -> None:
        """Undo what the hooks did; the world is as before."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Checked by the hooks' modules being imported at all."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:  # noqa: ANN401 - BaseInstrumentor's signature
        self._options = kwargs
        self._active = True
        for name, hook in self.hooks().items():
            if name in sys.modules:
                self._run(hook, sys.modules[name])
            else:
                register_post_import_hook(lambda module, hook=hook: self._run(hook, module), name)

    def _run(self, hook: Callable[[ModuleType, dict[str, Any]], None], module: ModuleType) -> None:
        if self._active:
            with guard(f"instrument.{module.__name__}"):
                hook(module, self._options)

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ANN401, ARG002 - BaseInstrumentor's signature
        self._active = False
        with guard(f"uninstrument.{type(self).__name__}"):
            self.unhook()
