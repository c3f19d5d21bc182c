"""What comes in: trace context, request ids, and everything that can be wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from fastapi import FastAPI
from opentelemetry import baggage, propagate, trace
from opentelemetry.propagators.textmap import TextMapPropagator

from otel_distro.context.work import request_id
from tests.conftest import Telemetry
from tests.instrumentation.asgi.conftest import Call
from tests.instrumentation.asgi.scopes import receive_nothing, scope_of

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def app() -> FastAPI:
    """Says what a handler sees."""
    app = FastAPI()

    @app.get("/")
    async def seen() -> dict[str, Any]:
        context = trace.get_current_span().get_span_context()
        return {"trace": f"{context.trace_id:032x}", "id": request_id(), "baggage": dict(baggage.get_all())}

    return app


async def answered(app: FastAPI, headers: list[tuple[bytes, bytes]]) -> list[dict[str, Any]]:
    """The messages of a request with just these headers."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope_of("/", headers=headers), receive_nothing, send)
    return sent


@pytest.mark.usefixtures("instrumented")
async def test_an_incoming_trace_is_continued(telemetry: Telemetry, call: Call, app: FastAPI) -> None:
    """The server span is a child of the caller's, its trace state and baggage are kept."""
    headers = {"traceparent": TRACEPARENT, "tracestate": "a=1", "baggage": "cart=full"}
    answer = await call(app, "/", headers=headers)
    (span,) = telemetry.spans()
    assert span.parent is not None
    assert span.context is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)
    assert span.parent.is_remote
    assert span.context.trace_state.get("a") == "1"
    assert answer.json() == {"trace": TRACE, "id": TRACE, "baggage": {"cart": "full"}}


async def test_by_setting_an_incoming_trace_is_only_linked(
    telemetry: Telemetry, call: Call, app: FastAPI, settings: Callable[..., None], instrument: Callable[..., None]
) -> None:
    """OTEL_DISTRO_INBOUND_TRACE=link begins a trace of our own that points to the caller's."""
    settings(inbound_trace="link")
    instrument()
    await call(app, "/", headers={"traceparent": TRACEPARENT})
    (span,) = telemetry.spans()
    assert span.parent is None
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" != TRACE
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [TRACE]


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"garbage",
        b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01",
        b"00-" + TRACE.encode(),
        b"zz-" + TRACE.encode() + b"-" + PARENT.encode() + b"-01",
        b"0" * 10240,
        b"\xff\xfe\x00",
        TRACEPARENT.encode() + b"\r\nX-Evil: 1",
    ],
)
async def test_a_broken_traceparent_is_ignored(telemetry: Telemetry, app: FastAPI, value: bytes) -> None:
    """A new trace begins and the request is answered."""
    sent = await answered(app, [(b"traceparent", value), (b"tracestate", b"\xff=="), (b"baggage", b"=;,,%%%\xff")])
    (span,) = telemetry.spans()
    assert (sent[0]["status"], span.parent) == (200, None)


@pytest.mark.usefixtures("instrumented")
async def test_two_traceparents_are_none(telemetry: Telemetry, app: FastAPI) -> None:
    """Whoever sends two of them does not say which trace it is."""
    other = TRACEPARENT.replace("0af", "1af").encode()
    await answered(app, [(b"traceparent", TRACEPARENT.encode()), (b"traceparent", other)])
    (span,) = telemetry.spans()
    assert span.parent is None


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize("header", ["X-Request-ID", "X-Correlation-ID"])
async def test_a_valid_id_is_kept(telemetry: Telemetry, call: Call, app: FastAPI, header: str) -> None:
    """The caller's id is in the work, on the span, and in the answer."""
    answer = await call(app, "/", headers={header: "order-77:a"})
    (span,) = telemetry.spans()
    assert (span.attributes or {})["request_id"] == answer.json()["id"] == "order-77:a"
    assert (answer.headers["x-request-id"], answer.headers["x-correlation-id"]) == ("order-77:a", "order-77:a")


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize(
    "values",
    [
        [b""],
        [b"x" * 10240],
        [b"x" * 129],
        ["bestellung-ä".encode()],
        [b"a\r\nSet-Cookie: b=c"],
        [b"a b"],
        [b"first", b"second"],
        [b"\x00"],
    ],
)
async def test_a_bad_id_is_replaced_by_the_trace_id(telemetry: Telemetry, app: FastAPI, values: list[bytes]) -> None:
    """Empty, too long, not ASCII, broken in lines or sent twice: a fresh id, and nothing of it comes back."""
    sent = await answered(app, [(b"x-request-id", value) for value in values])
    (span,) = telemetry.spans()
    assert span.context is not None
    fresh = f"{span.context.trace_id:032x}"
    given = [value for name, value in sent[0]["headers"] if name == b"x-request-id"]
    assert (sent[0]["status"], given) == (200, [fresh.encode()])
    assert (span.attributes or {})["request_id"] == fresh


@pytest.mark.usefixtures("instrumented")
async def test_the_baggages_request_id_is_taken_when_no_header_has_one(call: Call, app: FastAPI) -> None:
    """A first-party caller's id continues; a header still comes first."""
    carried = await call(app, "/", headers={"baggage": "request_id=r-9"})
    chosen = await call(app, "/", headers={"baggage": "request_id=r-9", "x-request-id": "mine"})
    broken = await call(app, "/", headers={"baggage": "request_id=a%0d%0ab"})
    assert (carried.json()["id"], chosen.json()["id"]) == ("r-9", "mine")
    assert re.fullmatch("[0-9a-f]{32}", broken.json()["id"])


@pytest.mark.usefixtures("instrumented")
async def test_the_global_propagator_in_force_is_asked(telemetry: Telemetry, call: Call, app: FastAPI) -> None:
    """A propagator set later, with headers of its own, is used; one that raises costs no request."""

    class Odd(TextMapPropagator):
        fields: ClassVar[set[str]] = {"x-odd"}

        def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> Any:
            raise ValueError(getter.get(carrier, "x-odd"), getter.keys(carrier))

        def inject(self, *args: Any, **kwargs: Any) -> None:
            """Nothing."""

    before = propagate.get_global_textmap()
    propagate.set_global_textmap(Odd())
    try:
        answer = await call(app, "/", headers={"x-odd": "1", "traceparent": TRACEPARENT})
    finally:
        propagate.set_global_textmap(before)
    (span,) = telemetry.spans()
    assert (answer.status_code, span.parent) == (200, None)


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize("host", [b"", b"shop.test:99999", b"a@b", b"\xff", b"x" * 300, b"[::1"])
async def test_a_nonsense_host_is_left_out(telemetry: Telemetry, app: FastAPI, host: bytes) -> None:
    """No server.address is made of it, and the request is answered."""
    sent = await answered(app, [(b"host", host)])
    (span,) = telemetry.spans()
    assert (sent[0]["status"], "server.address" in (span.attributes or {})) == (200, False)


@pytest.mark.usefixtures("instrumented")
async def test_a_span_that_is_current_already_is_the_parent(telemetry: Telemetry, call: Call, app: FastAPI) -> None:
    """Code around the application that traces on its own stays above its request."""
    with trace.get_tracer("edge").start_as_current_span("edge"):
        await call(app, "/", headers={"traceparent": TRACEPARENT})
    (server,), (edge,) = telemetry.spans("GET /"), telemetry.spans("edge")
    assert server.parent is not None
    assert edge.context is not None
    assert server.parent.span_id == edge.context.span_id


async def test_request_headers_are_captured_by_upstreams_variables(
    telemetry: Telemetry, call: Call, app: FastAPI, instrument: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are patterns in any case; sanitised fields and credentials are never shown; a bad pattern is ignored."""
    prefix = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"
    monkeypatch.setenv(f"{prefix}SERVER_REQUEST", "X-Shop-.*,authorization")
    monkeypatch.setenv(f"{prefix}SERVER_RESPONSE", "content-(type|length)")
    monkeypatch.setenv(f"{prefix}SANITIZE_FIELDS", ".*session.*")
    instrument()
    await call(app, "/", headers={"X-Shop-Cart": "7", "X-Shop-Session": "secret", "Authorization": "Bearer secret"})
    (span,) = telemetry.spans()
    captured = {key: value for key, value in (span.attributes or {}).items() if ".header." in key}
    assert captured.pop("http.response.header.content-length")
    assert captured == {
        "http.request.header.x-shop-cart": ("7",),
        "http.request.header.x-shop-session": ("REDACTED",),
        "http.request.header.authorization": ("REDACTED",),
        "http.response.header.content-type": ("application/json",),
    }


async def test_a_bad_capture_pattern_is_one_clear_line(
    telemetry: Telemetry,
    call: Call,
    app: FastAPI,
    instrument: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It names the variable, and the request is observed without it."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST", "*[")
    instrument()
    await call(app, "/")
    assert len(telemetry.spans()) == 1
    assert "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST" in caplog.text
