"""The wrappers of httpx's two transport methods; all they do together is in `attempt`."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from httpx import AsyncHTTPTransport, HTTPTransport, Request, Response

    from otel_distro.instrumentation.httpx.attempt import Attempts

    Handle = Callable[[HTTPTransport, Request], Response]
    HandleAsync = Callable[[AsyncHTTPTransport, Request], Awaitable[Response]]


def wrap_sync(attempts: Attempts, original: Handle) -> Handle:
    """`HTTPTransport.handle_request` with a span around it, until the response's headers are there."""

    @wraps(original)
    def handle_request(transport: HTTPTransport, request: Request) -> Response:
        span = attempts.begin(request)
        if span is None:
            return original(transport, request)
        try:
            response = original(transport, request)
        except BaseException as error:
            attempts.failed(span, error)
            raise
        attempts.answered(span, response)
        return response

    return handle_request


def wrap_async(attempts: Attempts, original: HandleAsync) -> HandleAsync:
    """`AsyncHTTPTransport.handle_async_request` with the same span around it."""

    @wraps(original)
    async def handle_async_request(transport: AsyncHTTPTransport, request: Request) -> Response:
        span = attempts.begin(request)
        if span is None:
            return await original(transport, request)
        try:
            response = await original(transport, request)
        except BaseException as error:
            attempts.failed(span, error)
            raise
        attempts.answered(span, response)
        return response

    return handle_async_request
