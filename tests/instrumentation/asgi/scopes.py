"""ASGI scopes and channels as a server makes them, for what no HTTP client can send."""

from __future__ import annotations

from typing import Any


def scope_of(path: str, kind: str = "http", **more: Any) -> dict[str, Any]:
    """A scope of a GET request."""
    return {
        "type": kind,
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"shop.test")],
        "scheme": "http",
        "http_version": "1.1",
        "server": ("shop.test", 80),
        "client": ("203.0.113.7", 4711),
        "root_path": "",
        **more,
    }


async def receive_nothing() -> dict[str, Any]:
    """An empty body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def ignore(message: Any) -> None:
    """Send nowhere."""
