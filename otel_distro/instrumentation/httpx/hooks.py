"""Hooks that an app gave to upstream's instrumentation: called with our span; their failures stay here."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.context import attach, detach
from opentelemetry.trace import set_span_in_context

from otel_distro.guard import guard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    from httpx import URL, Headers, Request, Response
    from opentelemetry.trace import Span

    Hook = Callable[..., Any]
    AsyncHook = Callable[..., Awaitable[Any]]

_BEFORE = guard("httpx.request_hook")
_AFTER = guard("httpx.response_hook")


class RequestInfo(NamedTuple):
    """What upstream's hooks are told of a request."""

    method: bytes
    url: URL
    headers: Headers
    stream: Any
    extensions: MutableMapping[str, Any]


class ResponseInfo(NamedTuple):
    """What upstream's hooks are told of a response."""

    status_code: int
    headers: Headers
    stream: Any
    extensions: MutableMapping[str, Any]


class Hooks(NamedTuple):
    """Upstream's four: before a request is sent, and when its response is there; sync clients, async clients."""

    request: Hook | None = None
    response: Hook | None = None
    async_request: AsyncHook | None = None
    async_response: AsyncHook | None = None

    def before(self, span: Span, request: Request) -> None:
        """Call the request hook; it may change the request's headers."""
        if self.request is not None:
            with _BEFORE:
                token = attach(set_span_in_context(span))
                try:
                    self.request(span, request_info(request))
                finally:
                    detach(token)

    def after(self, span: Span, request: Request, response: Response) -> None:
        """Call the response hook."""
        if self.response is not None:
            with _AFTER:
                self.response(span, request_info(request), response_info(response))

    async def before_async(self, span: Span, request: Request) -> None:
        """Call the request hook of async clients."""
        if self.async_request is not None:
            with _BEFORE:
                token = attach(set_span_in_context(span))
                try:
                    await self.async_request(span, request_info(request))
                finally:
                    detach(token)

    async def after_async(self, span: Span, request: Request, response: Response) -> None:
        """Call the response hook of async clients."""
        if self.async_response is not None:
            with _AFTER:
                await self.async_response(span, request_info(request), response_info(response))


def hooks(given: Mapping[str, Any]) -> Hooks | None:
    """The hooks among the options of `instrument()` or `instrument_client()`; None when there are none."""
    request, response = given.get("request_hook"), given.get("response_hook")
    found = Hooks(
        _sync(request),
        _sync(response),
        _async(given.get("async_request_hook")) or _async(request),
        _async(given.get("async_response_hook")) or _async(response),
    )
    return found if any(found) else None


def request_info(request: Request) -> RequestInfo:
    """The request as upstream's hooks know it."""
    return RequestInfo(request.method.encode(), request.url, request.headers, request.stream, request.extensions)


def response_info(response: Response) -> ResponseInfo:
    """The response as upstream's hooks know it."""
    return ResponseInfo(response.status_code, response.headers, response.stream, response.extensions)


def _sync(hook: Any) -> Hook | None:
    return hook if callable(hook) and not iscoroutinefunction(hook) else None


def _async(hook: Any) -> AsyncHook | None:
    return hook if iscoroutinefunction(hook) else None
