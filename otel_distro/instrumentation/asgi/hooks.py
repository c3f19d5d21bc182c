"""Hooks that an app gave to upstream's instrumentation: called with our span; their failures stay here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from otel_distro.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Span

    from otel_distro.instrumentation.asgi.scope import Message, Receive, Scope, Send

    MessageHook = Callable[[Span, Scope, Message], Any]


class Hooks(NamedTuple):
    """Upstream's three: `(span, scope)` at the start, `(span, scope, message)` for each message in or out.

    And `default_span_details`: by the scope the span's name, instead of ours, and attributes besides ours.
    """

    server_request: Callable[[Span, Scope], Any] | None = None
    client_request: MessageHook | None = None
    client_response: MessageHook | None = None
    span_details: Callable[[Scope], tuple[str, dict[str, Any]]] | None = None

    def named(self, span: Span, scope: Scope) -> bool:
        """Give the span the name and attributes that the app has for this scope; whether it has a name."""
        if self.span_details is None:
            return False
        with guard("asgi.default_span_details"):
            name, attributes = self.span_details(scope)
            span.update_name(name)
            span.set_attributes(attributes)
            return True
        return False

    def begin(self, span: Span, scope: Scope, receive: Receive, send: Send) -> tuple[Receive, Send]:
        """Call the first hook, and wrap what the other two listen to."""
        if self.server_request is not None:
            with guard("asgi.server_request_hook"):
                self.server_request(span, scope)
        if self.client_request is not None:
            receive = _heard(receive, self.client_request, span, scope)
        if self.client_response is not None:
            send = _told(send, self.client_response, span, scope)
        return receive, send


def hooks(
    server_request: Any, client_request: Any, client_response: Any, exclude_spans: Any = None, span_details: Any = None
) -> Hooks | None:
    """The hooks that would be called by upstream: those of an excluded span are not."""
    excluded = exclude_spans or ()
    given = Hooks(
        server_request if callable(server_request) else None,
        client_request if callable(client_request) and "receive" not in excluded else None,
        client_response if callable(client_response) and "send" not in excluded else None,
        span_details if callable(span_details) else None,
    )
    return given if any(given) else None


def _heard(receive: Receive, hook: MessageHook, span: Span, scope: Scope) -> Receive:
    async def heard() -> Message:
        message = await receive()
        with guard("asgi.client_request_hook"):
            hook(span, scope, message)
        return message

    return heard


def _told(send: Send, hook: MessageHook, span: Span, scope: Scope) -> Send:
    async def told(message: Message) -> None:
        with guard("asgi.client_response_hook"):
            hook(span, scope, message)
        await send(message)

    return told
