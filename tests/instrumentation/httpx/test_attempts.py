"""What an outgoing request emits and sends along."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from opentelemetry import baggage, trace
from opentelemetry import context as context_api
from opentelemetry.context import _SUPPRESS_HTTP_INSTRUMENTATION_KEY, _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from otel_distro.context.work import CURRENT, Work
from otel_distro.instrumentation.httpx import HttpxInstrumentor
from tests.conftest import Telemetry
from tests.instrumentation.httpx.conftest import Server

Get = Callable[..., httpx.Response]


def get_sync(url: str, method: str = "GET", **options: object) -> httpx.Response:
    with httpx.Client(**options) as client:  # type: ignore[arg-type]
        return client.request(method, url)


def get_async(url: str, method: str = "GET", **options: object) -> httpx.Response:
    async def get() -> httpx.Response:
        async with httpx.AsyncClient(**options) as client:  # type: ignore[arg-type]
            return await client.request(method, url)

    return asyncio.run(get())


@pytest.fixture(params=[get_sync, get_async], ids=["sync", "async"])
def get(request: pytest.FixtureRequest, instrumented: HttpxInstrumentor) -> Get:
    """Request a URL, by a sync and by an async client."""
    return request.param  # type: ignore[no-any-return]


@contextmanager
def attached(context: context_api.Context) -> Iterator[None]:
    token = context_api.attach(context)
    yield
    context_api.detach(token)


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def test_a_request_is_one_client_span(get: Get, server: Server, telemetry: Telemetry) -> None:
    """One attempt is one CLIENT span with the stable HTTP attributes."""
    assert get(f"{server.url}/orders?id=7#part").text == "ok"
    [span] = telemetry.spans()
    assert (span.name, span.kind, span.status.status_code) == ("GET", SpanKind.CLIENT, StatusCode.UNSET)
    assert attributes(span) == {
        "http.request.method": "GET",
        "url.full": f"{server.url}/orders?id=7",
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
    }


def test_the_server_gets_the_trace(get: Get, server: Server, telemetry: Telemetry) -> None:
    """The `traceparent` that arrives names the client span, which is a child of the span in hand."""
    span = trace.get_tracer("app").start_span("work")
    with attached(trace.set_span_in_context(span)):
        get(server.url)
    [client] = telemetry.spans("GET")
    assert client.parent is not None
    assert client.parent.span_id == span.get_span_context().span_id
    [(_path, headers)] = server.seen
    carried = TraceContextTextMapPropagator().extract(headers)
    assert trace.get_current_span(carried).get_span_context().span_id == client.context.span_id


@pytest.mark.parametrize("status", [404, 503])
def test_an_error_status(get: Get, server: Server, telemetry: Telemetry, status: int) -> None:
    """For a client 4xx and 5xx are errors; the app gets the response as ever."""
    assert get(f"{server.url}/status/{status}").status_code == status
    [span] = telemetry.spans()
    assert attributes(span)["error.type"] == str(status)
    assert span.status.status_code is StatusCode.ERROR


@pytest.mark.parametrize(("path", "error"), [("/hangup", httpx.RemoteProtocolError), (None, httpx.ConnectError)])
def test_no_response(get: Get, server: Server, telemetry: Telemetry, path: str | None, error: type[Exception]) -> None:
    """Without a response the app gets its exception, and the span names it."""
    with pytest.raises(error):
        get(f"{server.url}{path}" if path else "http://127.0.0.1:1/")
    [span] = telemetry.spans()
    assert attributes(span)["error.type"] == f"httpx.{error.__name__}"
    assert span.status.status_code is StatusCode.ERROR
    assert span.end_time is not None


def test_a_cancelled_request_ends_its_span(
    instrumented: HttpxInstrumentor, server: Server, telemetry: Telemetry
) -> None:
    """A request that is cancelled while it waits for an answer ends as an error."""

    async def cancelled(url: str) -> None:
        waiting = asyncio.Event()

        async def progress(event: str, _info: dict[str, object]) -> None:
            if event == "http11.receive_response_headers.started":
                waiting.set()

        async with httpx.AsyncClient() as client:
            task = asyncio.create_task(client.get(url, extensions={"trace": progress}))
            await asyncio.wait_for(waiting.wait(), 10)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        asyncio.run(cancelled(f"http://127.0.0.1:{silent.getsockname()[1]}/"))
    [span] = telemetry.spans()
    assert attributes(span)["error.type"] == "asyncio.exceptions.CancelledError"


def test_each_redirect_is_an_attempt(get: Get, server: Server, telemetry: Telemetry) -> None:
    """A followed redirect gives a span per attempt, the second counted as a resend."""
    get(f"{server.url}/status/302?to={server.url}/there", follow_redirects=True)
    first, second = telemetry.spans()
    assert attributes(first)["http.response.status_code"] == 302
    assert "http.request.resend_count" not in attributes(first)
    assert attributes(second)["url.full"] == f"{server.url}/there"
    assert attributes(second)["http.request.resend_count"] == 1
    assert server.seen[0][1]["traceparent"] != server.seen[1][1]["traceparent"]


def test_requests_of_one_client_are_no_resends(
    instrumented: HttpxInstrumentor, server: Server, telemetry: Telemetry
) -> None:
    """A second request by the same client is a first attempt again."""
    with httpx.Client() as client:
        client.get(server.url)
        client.get(server.url)
    assert [attributes(span).get("http.request.resend_count") for span in telemetry.spans()] == [None, None]


class TestBaggage:
    """Baggage leaves to first-party hosts only."""

    @pytest.fixture(autouse=True)
    def something_to_tell(self) -> Iterator[None]:
        """A request id and baggage of the app."""
        token = CURRENT.set(Work({"request_id": "r-1"}))
        with attached(baggage.set_baggage("brand", "blue")):
            yield
        CURRENT.reset(token)

    def test_a_first_party_gets_it(self, instrumented: HttpxInstrumentor, server: Server) -> None:
        """An allowed host gets the app's baggage and the request id."""
        get_sync(server.url)
        [(_path, headers)] = server.seen
        assert sorted(headers["baggage"].split(",")) == ["brand=blue", "request_id=r-1"]

    def test_a_third_party_gets_none(self, instrumented: HttpxInstrumentor, server: Server) -> None:
        """Another host gets trace context and no baggage."""
        get_sync(server.other)
        [(_path, headers)] = server.seen
        assert "traceparent" in headers
        assert "baggage" not in headers

    def test_a_redirect_to_a_third_party_takes_it_back(self, instrumented: HttpxInstrumentor, server: Server) -> None:
        """Redirected from an allowed host to another, the second attempt has none of the first's baggage."""
        get_sync(f"{server.url}/status/302?to={server.other}/", follow_redirects=True)
        assert ["baggage" in headers for _path, headers in server.seen] == [True, False]

    def test_the_apps_own_header_stays(self, instrumented: HttpxInstrumentor, server: Server) -> None:
        """A baggage header that the app itself sets for another host is the app's."""
        get_sync(server.other, headers={"baggage": "own=1"})
        assert server.seen[0][1]["baggage"] == "own=1"


@pytest.mark.parametrize(
    ("given", "recorded"),
    [
        ("/?token=abc&page=2", "/?token=REDACTED&page=2"),
        ("/?page=2&API_KEY=a%3Db&x", "/?page=2&API_KEY=REDACTED&x"),
        ("/?%74oken=abc", "/?%74oken=REDACTED"),
        ("/?x-amz-signature=a=b&sig=", "/?x-amz-signature=REDACTED&sig=REDACTED"),
        ("/?tokens=3", "/?tokens=3"),
        ("/?", "/?"),
        ("/", "/"),
    ],
)
def test_secrets_of_the_query_are_not_recorded(
    instrumented: HttpxInstrumentor, server: Server, telemetry: Telemetry, given: str, recorded: str
) -> None:
    """Values of well-known secret query keys are replaced on the span, and sent as they were."""
    get_sync(f"{server.url}{given}")
    [span] = telemetry.spans()
    assert attributes(span)["url.full"] == f"{server.url}{recorded}"
    assert server.seen[0][0] == given


def test_credentials_are_not_recorded(instrumented: HttpxInstrumentor, server: Server, telemetry: Telemetry) -> None:
    """User and password of a URL are not on the span, and still authenticate."""
    get_sync(f"http://ada:secret@127.0.0.1:{server.port}/")
    [span] = telemetry.spans()
    assert attributes(span)["url.full"] == f"{server.url}/"
    assert server.seen[0][1]["authorization"].startswith("Basic ")


def test_an_unknown_method(get: Get, server: Server, telemetry: Telemetry) -> None:
    """A method outside of the known set does not become a metric label."""
    get(server.url, "PURGE")
    [span] = telemetry.spans("HTTP")
    assert attributes(span)["http.request.method"] == "_OTHER"
    assert attributes(span)["http.request.method_original"] == "PURGE"


@pytest.mark.parametrize(
    "key", [_SUPPRESS_INSTRUMENTATION_KEY, _SUPPRESS_HTTP_INSTRUMENTATION_KEY], ids=["any", "http"]
)
def test_suppressed_means_nothing(get: Get, server: Server, telemetry: Telemetry, key: str) -> None:
    """Where instrumentation is suppressed a request makes no span and sends no header."""
    with attached(context_api.set_value(key, True)):
        get(server.url)
    assert telemetry.spans() == []
    assert "traceparent" not in server.seen[0][1]


@pytest.mark.parametrize("name", ["OTEL_PYTHON_HTTPX_EXCLUDED_URLS", "OTEL_PYTHON_EXCLUDED_URLS"])
def test_excluded_urls(
    instrumented: HttpxInstrumentor,
    server: Server,
    telemetry: Telemetry,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """Upstream's variables exclude URLs by pattern."""
    instrumented.uninstrument()
    monkeypatch.setenv(name, "nothing, orders/[0-9]+")
    instrumented.instrument()
    get_sync(f"{server.url}/orders/7")
    get_sync(f"{server.url}/orders/all")
    assert [attributes(span)["url.full"] for span in telemetry.spans()] == [f"{server.url}/orders/all"]


def test_an_apps_transport_stays_as_it_is(instrumented: HttpxInstrumentor, telemetry: Telemetry) -> None:
    """Doubles and in-process transports go to no network, and make no span."""
    get_sync("http://nowhere/", transport=httpx.MockTransport(lambda _request: httpx.Response(200)))
    assert telemetry.spans() == []


def test_a_client_made_earlier_is_covered(
    instrumented: HttpxInstrumentor, server: Server, telemetry: Telemetry
) -> None:
    """A client that was made before `instrument()` is observed until `uninstrument()`."""
    instrumented.uninstrument()
    with httpx.Client() as client:
        client.get(server.url)
        instrumented.instrument()
        client.get(server.url)
        instrumented.uninstrument()
        client.get(server.url)
    assert len(telemetry.spans()) == 1


def test_uninstrument_leaves_the_world_as_before() -> None:
    """After `uninstrument()` httpx has its own methods again; twice in a row."""

    def world() -> tuple[object, object]:
        return (
            vars(httpx.HTTPTransport)["handle_request"],
            vars(httpx.AsyncHTTPTransport)["handle_async_request"],
        )

    before = world()
    for _ in range(2):
        HttpxInstrumentor().instrument()
        assert world() != before
        HttpxInstrumentor().uninstrument()
        assert world() == before
