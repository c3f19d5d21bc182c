"""One attempt of a request: its CLIENT span, and what is sent along with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import context as context_api
from opentelemetry import propagate, trace
from opentelemetry.context import _SUPPRESS_HTTP_INSTRUMENTATION_KEY, _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.trace import SpanKind, Status, StatusCode

from otel_distro.errors.record import exception_type
from otel_distro.guard import guard
from otel_distro.instrumentation.httpx.url import DEFAULT_PORTS, recordable
from otel_distro.semconv.attributes import ERROR_TYPE, NETWORK_PROTOCOL_VERSION, SERVER_ADDRESS, SERVER_PORT
from otel_distro.semconv.http import FULL, METHOD, METHOD_ORIGINAL, METHODS, RESEND_COUNT, STATUS

if TYPE_CHECKING:
    import re

    from httpx import Request, Response

_METHODS = frozenset(METHODS)
_VERSIONS = {b"HTTP/1.1": "1.1", b"HTTP/2": "2", b"HTTP/1.0": "1.0", b"HTTP/3": "3"}
_ERROR = Status(StatusCode.ERROR)
_EXTENSION = "otel_distro.attempt"
"""In `request.extensions`, which redirects inherit: attempts so far, and the headers the last one added."""


class Attempts:
    """Begins and ends the spans of attempts."""

    __slots__ = ("_excluded", "_tracer")

    def __init__(self, tracer: trace.Tracer, excluded: re.Pattern[str] | None) -> None:
        self._tracer = tracer
        self._excluded = excluded

    def begin(self, request: Request) -> trace.Span | None:
        """Start the span of an attempt and add its headers; None where nothing is to be observed."""
        span: trace.Span | None = None
        with guard("httpx.begin"):
            here = context_api.get_current()
            if here.get(_SUPPRESS_INSTRUMENTATION_KEY) or here.get(_SUPPRESS_HTTP_INSTRUMENTATION_KEY):
                return None
            if self._excluded is not None and self._excluded.search(str(request.url)):
                return None
            before, sent = request.extensions.get(_EXTENSION, (0, ()))
            span = self._start(request, before)
            sent = _send_along(request, trace.set_span_in_context(span, here), sent)
            request.extensions[_EXTENSION] = (before + 1, sent)
        return span

    def _start(self, request: Request, before: int) -> trace.Span:
        url, method = request.url, request.method
        host = url.host
        attributes: dict[str, str | int] = {
            METHOD.key: method,
            FULL.key: recordable(url, host),
            SERVER_ADDRESS.key: host,
            SERVER_PORT.key: url.port or DEFAULT_PORTS.get(url.scheme, 0),
        }
        name = method
        if method not in _METHODS:
            name = "HTTP"
            attributes[METHOD.key] = "_OTHER"
            attributes[METHOD_ORIGINAL.key] = method
        if before:
            attributes[RESEND_COUNT.key] = before
        return self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)

    def failed(self, span: trace.Span, error: BaseException) -> None:
        """End the span of an attempt that got no response."""
        with guard("httpx.failed"):
            span.set_attribute(ERROR_TYPE.key, exception_type(error))
            span.set_status(_ERROR)
        span.end()

    def answered(self, span: trace.Span, response: Response) -> None:
        """End the span of an attempt that got a response; for a client 4xx is an error as 5xx is."""
        with guard("httpx.answered"):
            status = response.status_code
            attributes: dict[str, str | int] = {STATUS.key: status}
            version = _VERSIONS.get(response.extensions.get("http_version", b""))
            if version is not None:
                attributes[NETWORK_PROTOCOL_VERSION.key] = version
            if status >= 400:  # noqa: PLR2004 - where errors begin in HTTP
                attributes[ERROR_TYPE.key] = str(status)
                span.set_status(_ERROR)
            span.set_attributes(attributes)
        span.end()


def _send_along(request: Request, here: context_api.Context, sent: tuple[str, ...]) -> tuple[str, ...]:
    """Add the propagators' headers; take back what the attempt before added and this host must not get."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier, here)
    headers = request.headers
    for key in sent:
        if key not in carrier:
            headers.pop(key, None)
    for key, value in carrier.items():
        headers[key] = value
    return tuple(carrier)
