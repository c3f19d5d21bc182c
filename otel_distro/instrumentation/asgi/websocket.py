"""One WebSocket connection: a single span for as long as it is open."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING

from otel_distro.guard import guard
from otel_distro.instrumentation.asgi.active import Active
from otel_distro.instrumentation.asgi.observation import Observation, is_gone, request_attributes
from otel_distro.record import Exact
from otel_distro.semconv.http import WS_ACTIVE, WS_CLOSE, WS_RECEIVED, WS_SCOPE, WS_SENT

if TYPE_CHECKING:
    from otel_distro.instrumentation.asgi.options import ServerOptions
    from otel_distro.instrumentation.asgi.scope import Message, Receive, Scope, Send

ACTIVE = Active(WS_ACTIVE, WS_SCOPE)
"""Connections that are open, or being opened."""

NO_STATUS = 1005
"""Close code of a close frame without one."""
INTERNAL_ERROR = 1011
"""Close code that servers send when the application failed."""
NORMAL = 1000
FORBIDDEN = 403
"""Status that the server answers when the application closes before it accepted."""
_ANSWER, _CLOSED = guard("asgi.websocket_headers"), guard("asgi.websocket_closed")


class ServerConnection(Observation):
    """State of one connection; counts of messages, and how it was closed."""

    span_name = "WS"
    record_scope = WS_SCOPE

    def __init__(self, scope: Scope, options: ServerOptions) -> None:
        super().__init__(scope, options, (scope.get("scheme") or "ws",))
        self._accepted = False
        self._close_code: int | None = None
        self._received = 0
        self._sent = 0
        found = options.inbound.read(scope["headers"])
        self.begin(options.websocket_tracer, self.span_name, request_attributes(scope, options, found), found)
        ACTIVE.add(self)

    def listening(self) -> tuple[Receive, Send]:
        """Both directions are counted."""
        return self.receive, self.send

    async def receive(self) -> Message:
        """Receive a message and count it."""
        message = await self._receive()
        kind = message["type"]
        if kind == "websocket.receive":
            self._received += 1
        elif kind == "websocket.disconnect":
            with _CLOSED:
                self._closed(message.get("code") or NO_STATUS)
        return message

    async def send(self, message: Message) -> None:
        """Send a message and count it; the answer to the handshake gets our headers."""
        kind = message["type"]
        if kind == "websocket.send":
            await self._send(message)
            self._sent += 1
            return
        if kind in ("websocket.accept", "websocket.http.response.start"):
            with _ANSWER:
                message = self._answer(message)
        await self._send(message)
        if kind == "websocket.accept":
            self._accepted = True
        elif kind == "websocket.close":
            with _CLOSED:
                self._closed(message.get("code") or NORMAL)

    def _answer(self, message: Message) -> Message:
        self.status = message.get("status")
        return {**message, "headers": self.identify(message.get("headers") or ())}

    def _closed(self, code: int) -> None:
        """The first close counts; before the handshake was accepted it is a refusal."""
        if self.ended:
            return
        self.ended = time_ns()
        ACTIVE.discard(self)
        if self._accepted:
            self._close_code = code
        elif self.status is None:
            self.status = FORBIDDEN

    def outcome(self) -> Exact:
        """Counts of messages, and the close code of a connection that was open."""
        ACTIVE.discard(self)
        if self.error is not None:
            self._failed(self.error)
        attributes = Exact({WS_RECEIVED.key: self._received, WS_SENT.key: self._sent})
        if self._close_code is not None:
            attributes[WS_CLOSE.key] = self._close_code
        return attributes

    def _failed(self, error: BaseException) -> None:
        if is_gone(error):
            self.error = None  # every client leaves some time
        elif not self._accepted:
            self.status = self.status or 500
        elif self._close_code is None:
            self._close_code = INTERNAL_ERROR
