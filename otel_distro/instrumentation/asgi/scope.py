"""The ASGI scope: its types, and our mark in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MARK = "otel_distro"
"""Scope key set by the outermost app: its `RequestWork` (shared by copies of the scope), or None."""


class Exchange(Protocol):
    """One call of an ASGI application that we watch, from its beginning to its end."""

    def channels(self, receive: Receive, send: Send) -> tuple[Receive, Send]:
        """What the application is given to receive from and send to."""

    def failed(self, error: BaseException) -> None:
        """The application raised this; it is raised on."""

    def end(self) -> None:
        """The application is done."""
