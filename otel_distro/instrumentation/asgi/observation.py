"""What HTTP requests and WebSocket connections have in common: span, work and context."""

from __future__ import annotations

from asyncio import CancelledError
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context, attach, detach, set_value
from opentelemetry.instrumentation.propagators import get_global_response_propagator
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation import _SPAN_KEY

from otel_distro.context.identity import hashed
from otel_distro.context.work import CURRENT
from otel_distro.errors.exception import exception_type
from otel_distro.errors.record import record_exception
from otel_distro.instrumentation.asgi.inbound import request_id_of
from otel_distro.instrumentation.asgi.query import MAX_TEXT, without_secrets
from otel_distro.instrumentation.asgi.response_headers import ADDED, identified
from otel_distro.instrumentation.asgi.route import RequestWork, route_of
from otel_distro.instrumentation.asgi.scope import MARK
from otel_distro.record import QUIET, Exact
from otel_distro.semconv.attributes import ERROR_TYPE, REQUEST_ID
from otel_distro.semconv.http import CLIENT_ADDRESS, PATH, QUERY, ROUTE, STATUS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.trace import Span, SpanContext, Tracer

    from otel_distro.instrumentation.asgi.inbound import Found
    from otel_distro.instrumentation.asgi.options import ServerOptions
    from otel_distro.instrumentation.asgi.scope import Receive, Scope, Send

    Header = tuple[bytes, bytes]

_SERVER = SpanKind.SERVER
# Bound once: the path looks up no attribute of an attribute.
_ERROR_TYPE, _ROUTE, _STATUS, _REQUEST_ID = ERROR_TYPE.key, ROUTE.key, STATUS.key, REQUEST_ID.key
_CLIENT, _PATH, _QUERY = CLIENT_ADDRESS.key, PATH.key, QUERY.key

_FAILED = Status(StatusCode.ERROR)
_CONTROL = (CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)
_CANCELLED = {("trio", "Cancelled"), ("trio._core._exceptions", "Cancelled")}
_GONE = _CANCELLED | {("starlette.requests", "ClientDisconnect"), ("starlette.websockets", "WebSocketDisconnect")}
_SERVER_ERROR = 500


class Observation:
    """One request or connection: a server span that is current, and its work, from `begin` to `end`; `watched` guards.

    The span lasts until the last byte was sent. It is handed over when the application returns, so that a
    background task (which Starlette runs before that) runs inside of it, and an exception after the response
    still marks it.
    """

    # What is usual stands on the class: a request that is like most sets little of it.
    span: Span
    work: RequestWork
    identity: SpanContext
    span_name: str
    record_scope: str
    started = 0
    ended = 0
    """When the last byte was sent; 0 before."""
    status: int | None = None
    error: BaseException | None = None
    _headers_sent: Iterable[Header] = ()

    def __init__(self, scope: Scope, options: ServerOptions, key: tuple[str, ...]) -> None:
        self.started = time_ns()
        self._scope = scope
        self.options = options
        self.key = key

    def begin(self, tracer: Tracer, name: str, attributes: dict[str, Any], found: Found) -> None:
        """Start the span and the work, and make both current."""
        scope, options = self._scope, self.options
        context, links = options.inbound.context(found, scope["headers"])
        if options.is_quiet(scope):
            context = set_value(QUIET, True, context)  # noqa: FBT003 - the API's flag
        self.span = span = tracer.start_span(name, context, _SERVER, attributes, links, self.started)
        self.identity = identity = span.get_span_context()
        scope[MARK] = self.work = work = RequestWork({_REQUEST_ID: request_id_of(found, context, identity)})
        self._work_token = CURRENT.set(work)
        self._context_token = attach(set_span_in_context(span, context) if context else Context({_SPAN_KEY: span}))

    def channels(self, receive: Receive, send: Send) -> tuple[Receive, Send]:
        """What the application receives from and sends to."""
        self._receive, self._send = receive, send
        hooks = self.options.hooks
        if hooks is None:
            return self.listening()
        if hooks.named(self.span, self._scope):
            self.span_name = ""
        return hooks.begin(self.span, self._scope, *self.listening())

    def listening(self) -> tuple[Receive, Send]:
        """The server's channels, with us between where something must be seen."""
        raise NotImplementedError

    def identify(self, headers: Iterable[Header]) -> list[Header]:
        """The headers of the response with the request's ids."""
        self._headers_sent = headers = tuple(headers)
        result = identified(headers, self.work.fields[_REQUEST_ID], self.identity)
        propagator = get_global_response_propagator()  # type: ignore[no-untyped-call]
        if propagator is not None:  # the app has asked for more, as upstream's `traceresponse`
            propagator.inject(result, set_span_in_context(self.span), ADDED)
        return result

    def failed(self, error: BaseException) -> None:
        """Remember, and record once, what left the application."""
        self.error = error
        if not self._left(error) and not _is_control(error):
            record_exception(error, self.record_scope)

    def end(self) -> None:
        """Hand over the span and leave the context as it was."""
        try:
            self.finish()
        finally:
            detach(self._context_token)
            CURRENT.reset(self._work_token)
            self.error = None  # its traceback refers to the frame that refers to us

    def finish(self) -> None:
        """End span and work."""
        span, work, now = self.span, self.work, time_ns()
        attributes = self.outcome()
        attributes.update(work.fields)
        route = work.route or route_of(work, self._scope)
        if route is not None:
            attributes[_ROUTE] = route
            if self.span_name:  # else the app named it
                span.update_name(f"{self.span_name} {route}")
        if self._mark_error(attributes):
            span.set_status(_FAILED)
        span.set_attributes(attributes)
        if self.options.response_headers is not None:
            span.set_attributes(self.options.response_headers.attributes(self._headers_sent))
        span.end(self.ended or now)
        work.ended_ns = now

    def outcome(self) -> Exact:
        """The attributes that are known at the end."""
        raise NotImplementedError

    def _left(self, error: BaseException) -> bool:
        """Whether the error only says that the client left; a server error was answered for another reason."""
        return is_gone(error) and (self.status is None or self.status < _SERVER_ERROR)

    def _mark_error(self, attributes: dict[str, Any]) -> bool:
        """Add status and error type; whether the outcome is an error (a client that left is none)."""
        status, error = self.status, self.error
        if status is not None:
            attributes[_STATUS] = status
        if error is not None:
            attributes[_ERROR_TYPE] = exception_type(error)
            return not self._left(error)
        if status is not None and status >= _SERVER_ERROR:
            attributes[_ERROR_TYPE] = str(status)
            return True
        return False


def is_gone(error: BaseException) -> bool:
    """Whether this says that the client left, or that the server gave up: no failure of the application."""
    return isinstance(error, (CancelledError, GeneratorExit)) or _is_one_of(error, _GONE)


def _is_control(error: BaseException) -> bool:
    """Whether this only ends what runs: nothing that an application failed with."""
    return isinstance(error, _CONTROL) or _is_one_of(error, _CANCELLED)


def _is_one_of(error: BaseException, names: set[tuple[str, str]]) -> bool:
    kind = type(error)  # by name, as nothing is imported for this
    return (kind.__module__, kind.__qualname__) in names


def request_attributes(scope: Scope, options: ServerOptions, found: Found, method: str | None = None) -> dict[str, Any]:
    """The attributes known at the start, in one dict: what samplers may ask for."""
    scheme = scope.get("scheme") or ("http" if scope["type"] == "http" else "ws")
    attributes = Exact(options.inbound.repeated(scope, scheme, method, found))
    attributes[_PATH] = scope["path"][:MAX_TEXT]
    if query := scope.get("query_string"):
        attributes[_QUERY] = without_secrets(query)
    if (client := scope.get("client")) and client[0]:
        attributes[_CLIENT] = hashed("client", client[0])
    if options.request_headers is not None:
        return {**attributes, **options.request_headers.attributes(scope["headers"])}
    return attributes
