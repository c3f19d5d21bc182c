"""Apps written for upstream's instrumentation: their calls arrive here, their hooks and options keep working.

Upstream's own classes get our methods, because apps import them directly. `meter_provider` has no effect, as
metrics are derived from the spans; nor has `exclude_spans`, but on hooks: single messages have no spans.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial, wraps
from inspect import signature
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from otel_distro.instrumentation.asgi.hooks import hooks
from otel_distro.instrumentation.asgi.options import server_options
from otel_distro.instrumentation.asgi.scope import MARK
from otel_distro.instrumentation.asgi.server import SERVER, UPSTREAM_FLAG, watched

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import ModuleType

    from otel_distro.instrumentation.asgi.options import ServerOptions
    from otel_distro.instrumentation.asgi.patches import Patches
    from otel_distro.instrumentation.asgi.scope import Receive, Scope, Send

_logger = logging.getLogger("otel_distro")
_MIDDLEWARE = "_otel_distro_middleware"
_GIVEN = "_otel_distro_given"
_POSITIONAL = (
    "server_request_hook",
    "client_request_hook",
    "client_response_hook",
    "tracer_provider",
    "meter_provider",
    "excluded_urls",
    "http_capture_headers_server_request",
    "http_capture_headers_server_response",
    "http_capture_headers_sanitize_fields",
    "exclude_spans",
)


def instrument_app(app: Any, *args: Any, **kwargs: Any) -> None:
    """Watch this app with hooks and options of its own."""
    if getattr(app, UPSTREAM_FLAG, False):
        _logger.warning("instrument_app: the second call for an app has no effect")
        return
    given = {**dict(zip(_POSITIONAL, args, strict=False)), **kwargs}
    SERVER.set_options(app, server_options(given))
    setattr(app, UPSTREAM_FLAG, True)


def uninstrument_app(app: Any) -> None:
    """Watch this app no more."""
    SERVER.set_options(app, replace(server_options(), enabled=False))
    setattr(app, UPSTREAM_FLAG, False)


def _instrument(self: Any, **kwargs: Any) -> None:
    """Hooks and options for all apps that have none of their own; switches ours on when it is off."""
    from otel_distro.instrumentation.asgi import AsgiInstrumentor

    self._started = None if SERVER.default is not None else AsgiInstrumentor()
    if self._started is not None:
        self._started.instrument(**kwargs)
    else:
        SERVER.use(server_options(kwargs))


def _uninstrument(self: Any, **_: Any) -> None:
    """All apps are watched as the settings say, again; or not at all when that was so before."""
    if self._started is not None:
        self._started.uninstrument()
    elif SERVER.default is not None:
        SERVER.use(server_options())


_METHODS = {
    "instrument_app": staticmethod(instrument_app),
    "uninstrument_app": staticmethod(uninstrument_app),
    "_instrument": _instrument,
    "_uninstrument": _uninstrument,
}


def fastapi_instrumentor(upstream: Any) -> Any:
    """A subclass of upstream's `FastAPIInstrumentor` with our methods, and (`_instance`) an object of its own."""
    return type("FastAPIInstrumentor", (upstream,), {"_instance": None, "__doc__": upstream.__doc__, **_METHODS})


def take_fastapi_over(module: ModuleType, patches: Patches) -> None:
    """Give upstream's `FastAPIInstrumentor` our methods."""
    for name, method in _METHODS.items():
        patches.replace(module.FastAPIInstrumentor, name, partial(_instead, method))


def _instead(replacement: Any, _: Any) -> Any:
    return replacement


def take_middleware_over(module: ModuleType, patches: Patches) -> None:
    """Make upstream's `OpenTelemetryMiddleware` watch as we do, unless an app around it is watched."""
    patches.replace(module.OpenTelemetryMiddleware, "__init__", _middleware_init)
    patches.replace(module.OpenTelemetryMiddleware, "__call__", _middleware_call)


def _middleware_init(original: Callable[..., None]) -> Callable[..., None]:
    """Keep what upstream's object does not: the tracer provider, and whether the app names spans."""
    parameters = signature(original)

    @wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        given = parameters.bind(self, *args, **kwargs).arguments
        vars(self)[_GIVEN] = {
            name: given[name] for name in ("tracer_provider", "default_span_details") if given.get(name) is not None
        }

    return init


def _middleware_call(original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    def through(self: Any, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if SERVER.default is None:
            return original(self, scope, receive, send)
        given = hooks(self.server_request_hook, self.client_request_hook, self.client_response_hook)
        if given is not None and scope.get(MARK) is not None:
            receive, send = given.begin(trace.get_current_span(), scope, receive, send)
        called: Awaitable[None] = self.app(scope, receive, send)
        return called

    return watched(through, _middleware_options)


def _middleware_options(middleware: Any) -> ServerOptions | None:
    """Options of a middleware that is the outermost application itself."""
    if SERVER.default is None:
        return None
    known: ServerOptions | None = vars(middleware).get(_MIDDLEWARE)
    if known is None:
        known = server_options(
            {
                **vars(middleware).get(_GIVEN, {}),
                "excluded_urls": middleware.excluded_urls or "",
                "http_capture_headers_server_request": middleware.http_capture_headers_server_request,
                "http_capture_headers_server_response": middleware.http_capture_headers_server_response,
            }
        )
        vars(middleware)[_MIDDLEWARE] = known
    return known
