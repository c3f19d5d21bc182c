"""ASGI, FastAPI and Starlette: one server span per request or WebSocket connection, with its context.

The outermost Starlette or FastAPI application of a scope is watched, and so is anything inside upstream's
`OpenTelemetryMiddleware`. A request is measured until the last byte of its response was sent. Its span is
handed over when the application returns, so that background tasks run in the request's context without
ruining its latency.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from otel_distro.instrumentation import Instrumentor
from otel_distro.instrumentation.asgi import request, websocket
from otel_distro.instrumentation.asgi.native import NativeTelemetry
from otel_distro.instrumentation.asgi.options import server_options
from otel_distro.instrumentation.asgi.patches import Patches
from otel_distro.instrumentation.asgi.route import noting_included_route, noting_mount, noting_route
from otel_distro.instrumentation.asgi.server import SERVER, watched
from otel_distro.instrumentation.asgi.upstream import (
    fastapi_instrumentor,
    take_fastapi_over,
    take_middleware_over,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


class AsgiInstrumentor(Instrumentor):
    """Instruments Starlette and FastAPI; takes what upstream's `FastAPIInstrumentor().instrument()` takes."""

    _patches = Patches()
    _native = NativeTelemetry()
    _late = False
    """Whether FastAPI was there before us: then apps may be, too."""

    def hooks(self) -> dict[str, Callable[[ModuleType, dict[str, Any]], None]]:
        """By module: what to patch in it."""
        return {
            "starlette.applications": self._watch_applications,
            "starlette.routing": self._note_routes,
            "fastapi.routing": self._note_included_routes,
            "fastapi.applications": self._silence_native_telemetry,
            "opentelemetry.instrumentation.fastapi": self._take_fastapi_over,
            "opentelemetry.instrumentation.asgi": self._take_middleware_over,
        }

    def unhook(self) -> None:
        """Put everything back."""
        self._patches.undo()
        self._native.restore()
        SERVER.forget()

    def _instrument(self, **kwargs: Any) -> None:
        SERVER.use(server_options(kwargs))
        self._late = "fastapi.applications" in sys.modules
        super()._instrument(**kwargs)

    def _watch_applications(self, module: ModuleType, _: dict[str, Any]) -> None:
        request.ACTIVE.observe()
        websocket.ACTIVE.observe()
        self._patches.replace(module.Starlette, "__call__", lambda call: watched(call, SERVER.options))

    def _note_routes(self, module: ModuleType, _: dict[str, Any]) -> None:
        self._patches.replace(module.Route, "handle", noting_route)
        self._patches.replace(module.WebSocketRoute, "handle", noting_route)
        self._patches.replace(module.Mount, "handle", noting_mount)

    def _note_included_routes(self, module: ModuleType, _: dict[str, Any]) -> None:
        self._patches.replace(module.APIRoute, "handle", noting_included_route)

    def _silence_native_telemetry(self, module: ModuleType, _: dict[str, Any]) -> None:
        self._native.switch_off(module, self._patches, existing=self._late)

    def _take_fastapi_over(self, module: ModuleType, _: dict[str, Any]) -> None:
        take_fastapi_over(module, self._patches)

    def _take_middleware_over(self, module: ModuleType, _: dict[str, Any]) -> None:
        take_middleware_over(module, self._patches)


def __getattr__(name: str) -> Any:
    """`FastAPIInstrumentor`: a subclass of upstream's, made when asked for, as upstream's imports FastAPI."""
    if name == "FastAPIInstrumentor":
        from opentelemetry.instrumentation import fastapi

        return fastapi_instrumentor(fastapi.FastAPIInstrumentor)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
