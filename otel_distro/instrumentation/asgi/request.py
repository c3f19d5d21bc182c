"""One HTTP request: what is seen of its messages, and what its span says at the end."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING

from otel_distro.guard import FAULT, report
from otel_distro.instrumentation.asgi.active import Active
from otel_distro.instrumentation.asgi.inbound import content_length
from otel_distro.instrumentation.asgi.observation import Observation, is_gone, request_attributes
from otel_distro.record import Exact
from otel_distro.semconv.http import (
    ASGI_SCOPE,
    FIRST_BYTE,
    METHOD_ORIGINAL,
    METHODS,
    REQUEST_SIZE,
    RESPONSE_SIZE,
    SERVER_ACTIVE,
    STREAMING,
)

if TYPE_CHECKING:
    from otel_distro.instrumentation.asgi.options import ServerOptions
    from otel_distro.instrumentation.asgi.scope import Message, Receive, Scope, Send

ACTIVE = Active(SERVER_ACTIVE, ASGI_SCOPE)
"""Requests whose response is not complete."""

_OTHER = "_OTHER"
_KNOWN = frozenset(METHODS) - {_OTHER}
_NO_BODY = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "TRACE"})
_EVENT_STREAM = b"text/event-stream"
_ORIGINAL = METHOD_ORIGINAL.key
_REQUEST_SIZE, _RESPONSE_SIZE = REQUEST_SIZE.key, RESPONSE_SIZE.key
_FIRST_BYTE, _STREAMING = FIRST_BYTE.key, STREAMING.key
_MAX_METHOD = 64


class ServerRequest(Observation):
    """State of one request; its two methods stand between server and application."""

    record_scope = ASGI_SCOPE
    _first = 0
    """When the first of several parts was sent."""
    _parts = 0
    _sent = 0

    def __init__(self, scope: Scope, options: ServerOptions) -> None:
        original = scope["method"]
        method = original if original in _KNOWN else _OTHER
        super().__init__(scope, options, (method, scope.get("scheme") or "http"))
        self.span_name = "HTTP" if method is _OTHER else method
        found = options.inbound.read(scope["headers"])
        attributes = request_attributes(scope, options, found, method)
        if method is _OTHER:
            attributes[_ORIGINAL] = original[:_MAX_METHOD]
        self._received = content_length(found)
        self._counts_received = self._received is None and method not in _NO_BODY
        self.begin(options.tracer, self.span_name, attributes, found)
        ACTIVE.add(self)

    def listening(self) -> tuple[Receive, Send]:
        """Only a body of unknown length needs to be seen on its way in."""
        return self.receive if self._counts_received else self._receive, self.send

    async def receive(self) -> Message:
        """Receive a message and count its bytes."""
        message = await self._receive()
        body = message.get("body")
        if body:
            self._received = (self._received or 0) + len(body)
        return message

    async def send(self, message: Message) -> None:
        """Send a message: the first one gets our headers, the last one ends the measured time."""
        kind = message["type"]
        if kind == "http.response.body":
            body = message.get("body")
            if body:
                self._sent += len(body)
                self._parts += 1
            if not message.get("more_body"):
                await self._send(message)
                self.ended = time_ns()
                ACTIVE.discard(self)
                return
            if body and not self._first:
                self._first = time_ns()
        elif kind == "http.response.start":
            try:
                message = self._answer(message)
            except FAULT as fault:
                report("asgi.response_headers", fault)
        await self._send(message)
        if kind == "http.response.pathsend":
            self.ended = time_ns()
            ACTIVE.discard(self)

    def _answer(self, message: Message) -> Message:
        self.status = int(message["status"])
        return {**message, "headers": self.identify(message.get("headers") or ())}

    def _is_event_stream(self) -> bool:
        return any(
            header[0] == b"content-type" and header[1].startswith(_EVENT_STREAM) for header in self._headers_sent
        )

    def outcome(self) -> Exact:
        """Sizes, and for a streamed response the time until its first byte."""
        ACTIVE.discard(self)
        if self.status is None and self.error is not None and not is_gone(self.error):
            self.status = 500  # what the server answers in the application's place
        attributes = Exact()
        attributes[_RESPONSE_SIZE] = self._sent
        if self._received is not None:
            attributes[_REQUEST_SIZE] = self._received
        if self._parts > 1 or ((self._parts != 1 or self._first) and self._is_event_stream()):
            attributes[_STREAMING] = True
            if self._first:
                attributes[_FIRST_BYTE] = (self._first - self.started) / 1e9
        return attributes
