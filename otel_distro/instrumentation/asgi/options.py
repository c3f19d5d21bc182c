"""How an app is watched: made once from the settings and from what `instrument_app` was given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from otel_distro import config
from otel_distro._version import __version__
from otel_distro.headers import HeaderCapture, Side
from otel_distro.instrumentation.asgi.excluded import excluded_urls
from otel_distro.instrumentation.asgi.hooks import Hooks, hooks
from otel_distro.instrumentation.asgi.inbound import Inbound
from otel_distro.instrumentation.asgi.query import MAX_TEXT
from otel_distro.semconv.http import ASGI_SCOPE, WS_SCOPE

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from otel_distro.instrumentation.asgi.scope import Scope


_SERVER = Side("SERVER", MAX_TEXT)


@dataclass(frozen=True)
class ServerOptions:
    """Everything that a request needs to know besides its scope."""

    tracer: Tracer
    websocket_tracer: Tracer
    inbound: Inbound
    quiet: frozenset[str]
    quiet_prefixes: tuple[str, ...]
    excluded: Any = None
    """Has `url_disabled(url)`: ours or upstream's."""
    hooks: Hooks | None = None
    request_headers: HeaderCapture | None = None
    response_headers: HeaderCapture | None = None
    enabled: bool = True

    def is_quiet(self, scope: Scope) -> bool:
        """Whether the request's path, without the server's root path, is one of OTEL_DISTRO_QUIET_ROUTES."""
        path = scope["path"]
        root = scope.get("root_path")
        if root and path.startswith(root):
            path = path[len(root) :]
        return path in self.quiet or (bool(self.quiet_prefixes) and path.startswith(self.quiet_prefixes))


def server_options(given: dict[str, Any] | None = None) -> ServerOptions:
    """Options by the settings, and by the arguments that upstream's `instrument_app` takes."""
    given = given or {}
    settings = config.current()
    secret = given.get("http_capture_headers_sanitize_fields")
    provider = given.get("tracer_provider")
    return ServerOptions(
        tracer=trace.get_tracer(ASGI_SCOPE, __version__, provider),
        websocket_tracer=trace.get_tracer(WS_SCOPE, __version__, provider),
        inbound=Inbound(link=settings.inbound_trace == "link"),
        quiet=frozenset(route for route in settings.quiet_routes if not route.endswith("*")),
        quiet_prefixes=tuple(route[:-1] for route in settings.quiet_routes if route.endswith("*")),
        excluded=excluded_urls(given.get("excluded_urls")),
        hooks=hooks(
            given.get("server_request_hook"),
            given.get("client_request_hook"),
            given.get("client_response_hook"),
            given.get("exclude_spans"),
            given.get("default_span_details"),
        ),
        request_headers=_SERVER.request(given.get("http_capture_headers_server_request"), secret),
        response_headers=_SERVER.response(given.get("http_capture_headers_server_response"), secret),
    )
