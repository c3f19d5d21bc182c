"""FastAPI's own telemetry (from 0.142 on): switched off through its `telemetry` configuration, app by app."""

from __future__ import annotations

import gc
import inspect
from functools import wraps
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from otel_distro.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from otel_distro.instrumentation.asgi.patches import Patches

_SIGNALS = ("tracing", "metrics", "logs")
_OFF = dict.fromkeys(_SIGNALS, False)


class NativeTelemetry:
    """Remembers what each app had configured, to give it back."""

    def __init__(self) -> None:
        self._before: WeakKeyDictionary[Any, dict[str, bool]] = WeakKeyDictionary()

    def switch_off(self, module: ModuleType, patches: Patches, *, existing: bool) -> None:
        """In what the apps made of their `telemetry` argument: those to come, and those that may exist already."""
        fastapi = module.FastAPI
        if "telemetry" not in inspect.signature(fastapi.__init__).parameters:
            return
        patches.replace(fastapi, "setup", self._silent)
        for app in [found for found in gc.get_objects() if issubclass(type(found), fastapi)] if existing else ():
            self._silence(app)

    def restore(self) -> None:
        """Give every app its own configuration back."""
        for app, before in list(self._before.items()):
            _configuration(app).update(before)
        self._before.clear()

    def _silence(self, app: Any) -> None:
        configured = _configuration(app)
        self._before[app] = {signal: configured[signal] for signal in _SIGNALS if signal in configured}
        configured.update(_OFF)

    def _silent(self, setup: Callable[..., None]) -> Callable[..., None]:
        """Not `__init__`, which calls `setup` last: warnings of it shall name the app's file, not this one."""

        @wraps(setup)
        def silent(app: Any, *args: Any, **kwargs: Any) -> None:
            with guard("asgi.native"):
                self._silence(app)
            setup(app, *args, **kwargs)

        return silent


def _configuration(app: Any) -> dict[str, Any]:
    configured: dict[str, Any] = getattr(app, "_telemetry", None) or {}
    return configured
