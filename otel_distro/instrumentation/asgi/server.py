"""The server side of this process: which apps are watched and how, and the call that watches one."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from otel_distro.guard import FAULT, guard, report
from otel_distro.instrumentation.asgi.excluded import Excluded, suppressed, url_of
from otel_distro.instrumentation.asgi.options import server_options
from otel_distro.instrumentation.asgi.request import ServerRequest
from otel_distro.instrumentation.asgi.scope import MARK
from otel_distro.instrumentation.asgi.websocket import ServerConnection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from otel_distro.instrumentation.asgi.options import ServerOptions
    from otel_distro.instrumentation.asgi.scope import Exchange, Receive, Scope, Send

    Call = Callable[[Any, Scope, Receive, Send], Awaitable[None]]

UPSTREAM_FLAG = "_is_instrumented_by_opentelemetry"
"""Attribute by which upstream says that an app has been instrumented by a call for it."""
_OPTIONS = "_otel_distro_options"
_FAILED = guard("asgi.failed")
_UPSTREAM_MIDDLEWARE = "opentelemetry.instrumentation.asgi"


class Server:
    """Options of all apps of the process; `default` is None while nothing is instrumented."""

    def __init__(self) -> None:
        self.default: ServerOptions | None = None
        self._apps: WeakSet[Any] = WeakSet()

    def use(self, options: ServerOptions) -> None:
        """Watch every app without options of its own like this."""
        self.default = options

    def set_options(self, app: Any, options: ServerOptions | None) -> None:
        """Watch this app in a way of its own, or (None) as all others."""
        vars(app)[_OPTIONS] = options
        self._apps.add(app)

    def options(self, app: Any) -> ServerOptions | None:
        """How to watch this app; None: not at all."""
        if self.default is None:
            return None
        try:
            own: ServerOptions | None = app._otel_distro_options  # noqa: SLF001 - ours, see _OPTIONS
        except AttributeError:
            own = self._adopt(app)
        return own or self.default

    def _adopt(self, app: Any) -> ServerOptions | None:
        """On its first request: an app that added upstream's middleware means its options for all of it."""
        options = None
        for middleware in getattr(app, "user_middleware", ()):
            if getattr(middleware.cls, "__module__", "") == _UPSTREAM_MIDDLEWARE:
                kwargs = getattr(middleware, "kwargs", None) or {}
                options = server_options({k: v for k, v in kwargs.items() if not k.endswith("_hook")})
        self.set_options(app, options)
        return options

    def forget(self) -> None:
        """Watch nothing, and leave no trace on any app."""
        self.default = None
        for app in list(self._apps):
            if vars(app).pop(_OPTIONS, None) is not None:
                vars(app).pop(UPSTREAM_FLAG, None)
        self._apps.clear()


SERVER = Server()


def begin(options: ServerOptions | None, scope: Scope) -> Exchange | None:
    """Begin to watch one call of an outermost application; None when there is nothing to watch."""
    if options is None or not options.enabled:
        return None
    kind = scope["type"]
    if kind in ("http", "websocket"):
        if suppressed():
            return None
        if options.excluded is not None and options.excluded.url_disabled(url_of(scope)):
            return Excluded(scope)
        return ServerRequest(scope, options) if kind == "http" else ServerConnection(scope, options)
    if kind == "lifespan":
        from otel_distro.instrumentation.asgi.lifespan import Lifespan  # Starlette brings what this imports

        return Lifespan(scope)
    return None


def watched(original: Call, options_of: Callable[[Any], ServerOptions | None]) -> Call:
    """An ASGI application class's `__call__` that watches the outermost application of each scope, once."""

    @wraps(original)
    async def call(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = None
        if MARK not in scope:
            try:
                exchange = begin(options_of(self), scope)
                if exchange is not None:
                    receive, send = exchange.channels(receive, send)
            except FAULT as fault:
                report("asgi.begin", fault)
        if exchange is None:
            await original(self, scope, receive, send)
            return
        try:
            await original(self, scope, receive, send)
        except BaseException as error:
            with _FAILED:
                exchange.failed(error)
            raise
        finally:
            try:
                exchange.end()
            except FAULT as fault:
                report("asgi.end", fault)

    return call
