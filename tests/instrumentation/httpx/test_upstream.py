"""Apps written for upstream's httpx instrumentation: their calls, hooks and variables work on our spans."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.httpx import (
    AsyncOpenTelemetryTransport,
    HTTPXClientInstrumentor,
    SyncOpenTelemetryTransport,
)
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Span, StatusCode

from otel_distro.instrumentation.httpx import HttpxInstrumentor
from otel_distro.pipeline.tracer import TracerProvider
from tests.conftest import Telemetry
from tests.instrumentation.httpx.conftest import Server

CAPTURE = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"


class Hooks:
    """Hooks of an app's, and what they were told."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def request(self, span: Span, request: Any) -> None:
        """Put a name and a header of its own."""
        self.seen.append((request.method, str(request.url), trace.get_current_span() is span))
        span.update_name("named by the app")
        request.headers["x-from-hook"] = "yes"

    def response(self, span: Span, request: Any, response: Any) -> None:
        """Look at both."""
        self.seen.append((response.status_code, response.headers["content-length"], request.extensions is not None))
        span.set_attribute("from.hook", "value")

    async def async_request(self, span: Span, request: Any) -> None:
        """As `request`."""
        await asyncio.sleep(0)
        self.request(span, request)

    async def async_response(self, span: Span, request: Any, response: Any) -> None:
        """As `response`."""
        await asyncio.sleep(0)
        self.response(span, request, response)

    @property
    def options(self) -> dict[str, Any]:
        """All four, by upstream's names."""
        return {
            "request_hook": self.request,
            "response_hook": self.response,
            "async_request_hook": self.async_request,
            "async_response_hook": self.async_response,
        }


@pytest.fixture
def hooks() -> Hooks:
    return Hooks()


@pytest.fixture
def upstream(instrumented: HttpxInstrumentor) -> HTTPXClientInstrumentor:
    """Upstream's instrumentor while ours is active."""
    return HTTPXClientInstrumentor()


async def get_async(client: httpx.AsyncClient, url: str) -> None:
    async with client:
        await client.get(url)


def test_hooks(upstream: HTTPXClientInstrumentor, hooks: Hooks, server: Server, telemetry: Telemetry) -> None:
    """Upstream's `instrument()` with hooks: they get our one span, and what they change is sent."""
    upstream.instrument(**hooks.options)
    with httpx.Client() as client:
        client.get(server.url)
    asyncio.run(get_async(httpx.AsyncClient(), server.url))
    assert hooks.seen == [(b"GET", f"{server.url}", True), (200, "2", True)] * 2
    spans = telemetry.spans("named by the app")
    assert [dict(span.attributes)["from.hook"] for span in spans] == ["value", "value"]
    assert len(telemetry.spans()) == 2
    assert all(headers["x-from-hook"] == "yes" and "traceparent" in headers for _, headers in server.seen)


def test_a_hook_that_fails_stays_here(upstream: HTTPXClientInstrumentor, server: Server, telemetry: Telemetry) -> None:
    """An exception of a hook does not reach the app, nor the span's status."""

    def failing(*_: Any) -> None:
        raise LookupError

    upstream.instrument(request_hook=failing, response_hook=failing)
    with httpx.Client() as client:
        assert client.get(server.url).text == "ok"
    [span] = telemetry.spans("GET")
    assert span.status.status_code is StatusCode.UNSET


def test_an_instrumented_client(
    upstream: HTTPXClientInstrumentor, hooks: Hooks, server: Server, telemetry: Telemetry
) -> None:
    """`instrument_client` gives one client hooks of its own, without doubles; `uninstrument_client` silences it."""
    with httpx.Client() as client, httpx.Client() as other:
        upstream.instrument_client(client, request_hook=hooks.request)
        client.get(server.url)
        other.get(server.url)
        assert [span.name for span in telemetry.spans()] == ["named by the app", "GET"]
        upstream.uninstrument_client(client)
        client.get(server.url)
        assert len(telemetry.spans()) == 2


def test_a_client_alone(
    instrumented: HttpxInstrumentor, upstream: HTTPXClientInstrumentor, server: Server, telemetry: Telemetry
) -> None:
    """After upstream's `uninstrument()` only clients instrumented one by one are watched, and can be let go."""
    upstream.uninstrument()
    with httpx.Client() as client, httpx.Client() as other:
        upstream.instrument_client(client)
        client.get(server.url)
        other.get(server.url)
        assert len(telemetry.spans()) == 1
        upstream.uninstrument_client(client)
        assert "handle_request" not in vars(client._transport)
        upstream.instrument()
        other.get(server.url)
        assert len(telemetry.spans()) == 2


def test_an_instrumented_double(upstream: HTTPXClientInstrumentor, telemetry: Telemetry) -> None:
    """`instrument_client` watches any transport: the app has asked for it; what the app had put there works on."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=request.headers["traceparent"])

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        client._transport.handle_request = answer  # type: ignore[method-assign]
        upstream.instrument_client(client)
        said = client.get("http://nowhere/").text
        upstream.uninstrument_client(client)
        assert client._transport.handle_request is answer
    [span] = telemetry.spans("GET")
    assert f"{span.context.span_id:016x}" in said


def test_a_provider_of_its_own(upstream: HTTPXClientInstrumentor, server: Server, telemetry: Telemetry) -> None:
    """A tracer provider that the app gives gets the spans; third-party processors see them."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    upstream.instrument(tracer_provider=provider)
    with httpx.Client() as client:
        client.get(server.url)
    assert [span.name for span in exporter.get_finished_spans()] == ["GET"]
    assert telemetry.spans() == []


def test_upstream_s_transports(
    upstream: HTTPXClientInstrumentor, hooks: Hooks, server: Server, telemetry: Telemetry
) -> None:
    """Upstream's transports, made by the app, make one span: ours, with their hooks."""
    sync = SyncOpenTelemetryTransport(httpx.HTTPTransport(), request_hook=hooks.request)
    with httpx.Client(transport=sync) as client:
        client.get(server.url)
    quiet = AsyncOpenTelemetryTransport(httpx.AsyncHTTPTransport(), tracer_provider=trace.NoOpTracerProvider())
    asyncio.run(get_async(httpx.AsyncClient(transport=quiet), server.url))
    assert [span.name for span in telemetry.spans()] == ["named by the app"]


def test_captured_headers(
    instrumented: HttpxInstrumentor, server: Server, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Upstream's variables capture headers by pattern, in any case; secrets are hidden without being named."""
    instrumented.uninstrument()
    monkeypatch.setenv(f"{CAPTURE}CLIENT_REQUEST", "X-Order.*, Authorization")
    monkeypatch.setenv(f"{CAPTURE}CLIENT_RESPONSE", "content-length")
    monkeypatch.setenv(f"{CAPTURE}SANITIZE_FIELDS", ".*token")
    instrumented.instrument()
    sent = [("x-order", "7"), ("x-order", "8"), ("X-Order-Token", "t"), ("authorization", "Bearer b"), ("x-other", "o")]
    with httpx.Client() as client:
        client.get(server.url, headers=sent)
    [span] = telemetry.spans("GET")
    captured = {key: value for key, value in dict(span.attributes).items() if ".header." in key}
    assert captured == {
        "http.request.header.x-order": ("7", "8"),
        "http.request.header.x-order-token": ("REDACTED",),
        "http.request.header.authorization": ("REDACTED",),
        "http.response.header.content-length": ("2",),
    }


def test_upstream_is_as_before_after_uninstrument() -> None:
    """When ours is switched off, upstream's classes have their own methods again."""
    before = dict(vars(HTTPXClientInstrumentor)), dict(vars(SyncOpenTelemetryTransport))
    HttpxInstrumentor().instrument()
    assert (dict(vars(HTTPXClientInstrumentor)), dict(vars(SyncOpenTelemetryTransport))) != before
    HttpxInstrumentor().uninstrument()
    assert (dict(vars(HTTPXClientInstrumentor)), dict(vars(SyncOpenTelemetryTransport))) == before
