"""Threads and executors: what they do for a request carries its trace and its ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_distro.instrumentation import Instrumentor
from otel_distro.instrumentation.threading.thread import wrap_bootstrap, wrap_start
from otel_distro.instrumentation.threading.work_item import wrap_init, wrap_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


class ThreadingInstrumentor(Instrumentor):
    """Carries the OpenTelemetry context and the work in hand into threads, timers and thread pools."""

    _patched: tuple[tuple[type, str, Any, Any], ...] = ()

    def hooks(self) -> dict[str, Callable[[ModuleType, dict[str, Any]], None]]:
        """Threads at once, since `threading` is always there; executors when they are imported."""
        return {"threading": self._hook_threads, "concurrent.futures.thread": self._hook_executor}

    def _hook_threads(self, module: ModuleType, _options: dict[str, Any]) -> None:
        self._patch(module.Thread, start=wrap_start, _bootstrap_inner=wrap_bootstrap)

    def _hook_executor(self, module: ModuleType, _options: dict[str, Any]) -> None:
        self._patch(module._WorkItem, __init__=wrap_init, run=wrap_run)  # noqa: SLF001 - what a pool's thread runs

    def _patch(self, owner: type, **wraps: Callable[..., Any]) -> None:
        for name, wrap in wraps.items():
            original = vars(owner)[name]
            ours = wrap(original)
            setattr(owner, name, ours)
            self._patched += ((owner, name, original, ours),)

    def unhook(self) -> None:
        """Give the classes their methods back, unless someone else has wrapped them since."""
        for owner, name, original, ours in self._patched:
            if vars(owner).get(name) is ours:
                setattr(owner, name, original)
        self._patched = ()
