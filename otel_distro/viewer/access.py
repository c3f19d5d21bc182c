"""Who may speak to the viewer: loopback host names only, and no foreign web page."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})


class LoopbackOnly:
    """ASGI middleware: refuses a request whose Host is not loopback or whose Origin is not the same.

    A page that rebinds its DNS name to 127.0.0.1 sends no Origin on GET, so Host is the real guard.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Keep the guarded app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on or answer 403."""
        reason = _refusal(scope) if scope["type"] == "http" else None
        if reason is None:
            await self._app(scope, receive, send)
        else:
            await PlainTextResponse(reason, 403)(scope, receive, send)


def _refusal(scope: Scope) -> str | None:
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
    if len(hosts) != 1 or _host_name(hosts[0]) not in LOOPBACK_NAMES:
        return "the Host header must name localhost"
    if origins and origins != [f"http://{hosts[0]}"]:
        return "requests from another origin are refused"
    return None


def _host_name(host: str) -> str | None:
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    if parts.netloc != host or "@" in host:
        return None
    return parts.hostname
