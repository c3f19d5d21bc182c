"""Instrumentation: speaks to the OpenTelemetry API and `otel_distro.record` only; none knows another."""

from __future__ import annotations

import logging
import sys
from abc import abstractmethod
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from wrapt import register_post_import_hook

from otel_distro.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from types import ModuleType

_logger = logging.getLogger("otel_distro")


class Instrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Patches libraries when the app imports them: `instrument()` imports none, so unused ones are free."""

    # On the class: upstream's base makes it a singleton, whose __init__ would run at each call of the class.
    _options: Mapping[str, Any] = MappingProxyType({})
    _active = False

    @abstractmethod
    def hooks(self) -> dict[str, Callable[[ModuleType, dict[str, Any]], None]]:
        """By module name: what to do with the module once imported, given the options of `instrument()`."""

    @abstractmethod
    def unhook(self) -> None:
        """Undo what the hooks did; the world is as before."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Checked by the hooks' modules being imported at all."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        self._options = kwargs
        self._active = True
        for name, hook in self.hooks().items():
            if name in sys.modules:
                self._run(hook, sys.modules[name])
            else:
                register_post_import_hook(partial(self._run, hook), name)

    def _run(self, hook: Callable[[ModuleType, dict[str, Any]], None], module: ModuleType) -> None:
        if self._active:
            with guard(f"instrument.{module.__name__}"):
                hook(module, dict(self._options))

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002 - BaseInstrumentor's signature
        self._active = False
        with guard(f"uninstrument.{type(self).__name__}"):
            self.unhook()


class StandBack:
    """Keeps upstream's instrumentor of the same library from acting while ours is active: no doubles.

    Of its methods some do nothing, others (`instead`) are ours.
    """

    def __init__(self, *methods: str, **instead: Any) -> None:
        self._methods: dict[str, Any] = {**dict.fromkeys(methods, _stand_back), **instead}
        self._upstream: Any = None
        self._before: dict[str, Any] = {}
        self._was_active = False

    def hold(self, upstream: Any) -> None:
        """Replace the methods of upstream's class; switch it off when the app was faster."""
        if self._upstream is not None:
            return
        self._upstream = upstream
        self._was_active = upstream().is_instrumented_by_opentelemetry
        if self._was_active:
            upstream().uninstrument()
        for name, method in self._methods.items():
            self._before[name] = vars(upstream).get(name)
            setattr(upstream, name, method)

    def release(self) -> None:
        """Give upstream's class its methods back, and switch it on again when it was."""
        upstream, self._upstream = self._upstream, None
        if upstream is None:
            return
        for name, method in self._before.items():
            if method is None:
                delattr(upstream, name)
            else:
                setattr(upstream, name, method)
        if self._was_active:
            upstream().instrument()


def _stand_back(*_arguments: Any, **options: Any) -> None:
    hooks = [name for name, value in options.items() if name.endswith("_hook") and value is not None]
    if hooks:
        _logger.warning("upstream's instrumentor stands back for ours; not called: %s", ", ".join(hooks))
