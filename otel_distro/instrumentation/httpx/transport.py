"""The wrappers of a transport's method; all they do together is in `attempt`."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from otel_distro.guard import guard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from httpx import Request, Response

    from otel_distro.instrumentation.httpx.attempt import Attempts

    Handle = Callable[[Any, Request], Response]
    HandleAsync = Callable[[Any, Request], Awaitable[Response]]

SYNC, ASYNC = "handle_request", "handle_async_request"
_PLAIN = "_otel_distro_plain"
_BEGIN, _SEND_ALONG = guard("httpx.begin"), guard("httpx.send_along")
_FAILED, _ANSWERED = guard("httpx.failed"), guard("httpx.answered")


def wrap_sync(attempts: Attempts, original: Handle) -> Handle:
    """A `handle_request` with a span around it, until the response's headers are there."""
    hooks = attempts.hooks

    @wraps(original)
    def handle_request(transport: Any, request: Request) -> Response:
        span = None
        with _BEGIN:
            span = attempts.begin(request)
        if span is None:
            return original(transport, request)
        with _SEND_ALONG:
            if hooks is not None:
                hooks.before(span, request)
            attempts.send_along(span, request)
        try:
            response = original(transport, request)
        except BaseException as error:
            with _FAILED:
                attempts.failed(span, error)
            raise
        with _ANSWERED:
            try:
                attempts.answered(span, response)
                if hooks is not None:
                    hooks.after(span, request, response)
            finally:
                span.end()
        return response

    return handle_request


def wrap_async(attempts: Attempts, original: HandleAsync) -> HandleAsync:
    """A `handle_async_request` with the same span around it."""
    hooks = attempts.hooks

    @wraps(original)
    async def handle_async_request(transport: Any, request: Request) -> Response:
        span = None
        with _BEGIN:
            span = attempts.begin(request)
        if span is None:
            return await original(transport, request)
        with _SEND_ALONG:
            if hooks is not None:
                await hooks.before_async(span, request)
            attempts.send_along(span, request)
        try:
            response = await original(transport, request)
        except BaseException as error:
            with _FAILED:
                attempts.failed(span, error)
            raise
        with _ANSWERED:
            try:
                attempts.answered(span, response)
                if hooks is not None:
                    await hooks.after_async(span, request, response)
            finally:
                span.end()
        return response

    return handle_async_request


def wrapped(attempts: Attempts, name: str, original: Any) -> Any:
    """The wrapper for a transport's method of this name."""
    made: Any = wrap_sync(attempts, original) if name == SYNC else wrap_async(attempts, original)
    setattr(made, _PLAIN, original)
    return made


def plain(method: Any) -> Any:
    """A class's method without our wrapper."""
    return getattr(method, _PLAIN, method)
