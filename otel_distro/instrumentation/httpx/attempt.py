"""One attempt of a request: its CLIENT span, and what is sent along with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import propagate, trace
from opentelemetry.context import _SUPPRESS_HTTP_INSTRUMENTATION_KEY, _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.trace import SpanKind, Status, StatusCode

from otel_distro.context.current import get_current
from otel_distro.errors.exception import exception_type
from otel_distro.instrumentation.httpx.url import DEFAULT_PORTS, recordable
from otel_distro.semconv.attributes import ERROR_TYPE, NETWORK_PROTOCOL_VERSION, SERVER_ADDRESS, SERVER_PORT
from otel_distro.semconv.http import FULL, METHOD, METHOD_ORIGINAL, METHODS, RESEND_COUNT, STATUS

if TYPE_CHECKING:
    from httpx import Request, Response
    from opentelemetry.util.types import AttributeValue

    from otel_distro.instrumentation.httpx.options import Options

_METHODS = frozenset(METHODS)
_VERSIONS = {b"HTTP/1.1": "1.1", b"HTTP/2": "2", b"HTTP/1.0": "1.0", b"HTTP/3": "3"}
_ERROR = Status(StatusCode.ERROR)
_EXTENSION = "otel_distro.attempt"
"""In `request.extensions`, which redirects inherit: attempts so far, and the headers the last one added."""

_FIRST: tuple[int, tuple[str, ...]] = (0, ())


class Attempts:
    """Begins and ends the spans of attempts; whoever calls guards."""

    __slots__ = ("_excluded", "_request_headers", "_response_headers", "_tracer", "hooks")

    def __init__(self, options: Options) -> None:
        self._tracer = options.tracer
        self._excluded = options.excluded
        self._request_headers = options.request_headers
        self._response_headers = options.response_headers
        self.hooks = options.hooks

    def begin(self, request: Request) -> trace.Span | None:
        """Start the span of an attempt; None where nothing is to be observed."""
        here = get_current()
        if here.get(_SUPPRESS_INSTRUMENTATION_KEY) or here.get(_SUPPRESS_HTTP_INSTRUMENTATION_KEY):
            return None
        if self._excluded is not None and self._excluded.search(str(request.url)):
            return None
        return self._start(request)

    def _start(self, request: Request) -> trace.Span:
        url, method = request.url, request.method
        host = url.host
        attributes: dict[str, AttributeValue] = {
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
        before, _sent = request.extensions.get(_EXTENSION, _FIRST)
        if before:
            attributes[RESEND_COUNT.key] = before
        if self._request_headers is not None:
            attributes.update(self._request_headers.attributes(request.headers.raw))
        return self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)

    def send_along(self, span: trace.Span, request: Request) -> None:
        """Add the propagators' headers; take back what the attempt before added and this host must not get."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier, trace.set_span_in_context(span))
        before, sent = request.extensions.get(_EXTENSION, _FIRST)
        headers = request.headers
        for key in sent:
            if key not in carrier:
                headers.pop(key, None)
        for key, value in carrier.items():
            headers[key] = value
        request.extensions[_EXTENSION] = (before + 1, tuple(carrier))

    def failed(self, span: trace.Span, error: BaseException) -> None:
        """End the span of an attempt that got no response."""
        span.set_attribute(ERROR_TYPE.key, exception_type(error))
        span.set_status(_ERROR)
        span.end()

    def answered(self, span: trace.Span, response: Response) -> None:
        """Say how an attempt was answered; for a client 4xx is an error as 5xx is. The caller ends the span."""
        status = response.status_code
        attributes: dict[str, AttributeValue] = {STATUS.key: status}
        version = _VERSIONS.get(response.extensions.get("http_version", b""))
        if version is not None:
            attributes[NETWORK_PROTOCOL_VERSION.key] = version
        if status >= 400:  # noqa: PLR2004 - where errors begin in HTTP
            attributes[ERROR_TYPE.key] = str(status)
            span.set_status(_ERROR)
        if self._response_headers is not None:
            attributes.update(self._response_headers.attributes(response.headers.raw))
        span.set_attributes(attributes)
