"""WebSockets through a real server: one span per connection, with its counts and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, WebSocket, WebSocketDisconnect
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from starlette.responses import PlainTextResponse
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from otel_distro.context.work import request_id
from tests.conftest import Telemetry
from tests.instrumentation.asgi.servers import Running, serving, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("instrumented")]


def chat() -> FastAPI:  # noqa: C901 - one short function per route
    """An app with every way to end a connection."""
    app, included, mounted = FastAPI(), APIRouter(prefix="/v1"), FastAPI()

    @included.websocket("/chat/{room}")
    async def room(websocket: WebSocket, room: str) -> None:
        await websocket.accept()
        while (text := await websocket.receive_text()) != "bye":
            with trace.get_tracer("app").start_as_current_span("echo"):
                await websocket.send_text(f"{request_id()} {text}")
        await websocket.close(3001)

    @mounted.websocket("/fail")
    async def fail(websocket: WebSocket) -> None:
        await websocket.accept()
        raise RuntimeError("broken")

    @app.websocket("/early")
    async def early(websocket: WebSocket) -> None:
        raise RuntimeError("early")

    @app.websocket("/closed")
    async def closed(websocket: WebSocket) -> None:
        await websocket.close()

    @app.websocket("/denied")
    async def denied(websocket: WebSocket) -> None:
        await websocket.send_denial_response(PlainTextResponse("no", 401))

    @app.websocket("/polite")
    async def polite(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            await websocket.receive_text()
        except WebSocketDisconnect:
            return

    app.include_router(included, prefix="/api")
    app.mount("/live/{shop}", mounted)
    return app


@pytest.fixture
def server() -> Iterator[Running]:
    """The app, served."""
    with serving(chat()) as running:
        yield running


def span_of(telemetry: Telemetry, name: str) -> Any:
    """The only span of that name, once it is there."""
    wait_until(lambda: telemetry.spans(name))
    (span,) = telemetry.spans(name)
    return span


def test_a_connection_is_one_span(telemetry: Telemetry, server: Running) -> None:
    """Messages are counted, the app's spans are inside, the close code and the full route are known."""
    with connect(f"ws://{server.url}/api/v1/chat/7?token=x", additional_headers={"X-Request-ID": "call-1"}) as socket:
        assert socket.response is not None
        assert socket.response.headers["X-Request-ID"] == "call-1"
        for text in ("a", "b"):
            socket.send(text)
            assert socket.recv() == f"call-1 {text}"
        assert [point.value for point in telemetry.points("websocket.server.active_connections")] == [1]
        socket.send("bye")
        with pytest.raises(ConnectionClosed):
            socket.recv()
    span = span_of(telemetry, "WS /api/v1/chat/{room}")
    assert (span.kind, span.instrumentation_scope.name) == (SpanKind.SERVER, "otel_distro.websocket")
    attributes = {key: span.attributes[key] for key in span.attributes if key.startswith(("websocket", "http", "url"))}
    assert attributes == {
        "url.scheme": "ws",
        "url.path": "/api/v1/chat/7",
        "url.query": "token=REDACTED",
        "http.route": "/api/v1/chat/{room}",
        "websocket.close_code": 3001,
        "websocket.messages.received": 3,
        "websocket.messages.sent": 2,
    }
    assert [child.parent.span_id for child in telemetry.spans("echo") if child.parent] == [span.context.span_id] * 2
    assert len(telemetry.spans()) == 3
    assert [point.value for point in telemetry.points("websocket.server.active_connections")] == [0]


@pytest.mark.parametrize("path", ["/polite", "/api/v1/chat/7"])
def test_a_client_that_leaves_is_no_error(telemetry: Telemetry, server: Running, path: str) -> None:
    """Whether the app catches the disconnect or lets it pass."""
    with connect(f"ws://{server.url}{path}") as socket:
        socket.close(1001)
    span = span_of(telemetry, f"WS {path.replace('/7', '/{room}')}")
    assert (span.attributes["websocket.close_code"], span.status.status_code) == (1001, StatusCode.UNSET)
    assert "error.type" not in span.attributes
    assert [record for record in telemetry.logs() if record.event_name == "exception"] == []


def test_a_failing_connection_is_an_error(telemetry: Telemetry, server: Running) -> None:
    """An exception after the handshake closes with 1011, in a mounted app too."""
    with connect(f"ws://{server.url}/live/acme/fail") as socket, pytest.raises(ConnectionClosed):
        socket.recv()
    span = span_of(telemetry, "WS /live/{shop}/fail")
    assert (span.attributes["websocket.close_code"], span.attributes["error.type"]) == (1011, "RuntimeError")
    assert span.status.status_code is StatusCode.ERROR
    (record,) = [record for record in telemetry.logs() if record.event_name == "exception"]
    assert record.span_id == span.context.span_id


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [("/early", 500, "RuntimeError"), ("/closed", 403, None), ("/denied", 401, None), ("/none", 403, None)],
)
def test_a_refused_handshake_has_a_status_and_no_close_code(
    telemetry: Telemetry, server: Running, path: str, status: int, error: str | None
) -> None:
    """The client sees the status that the span has."""
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://{server.url}{path}"):
        pass
    span = span_of(telemetry, "WS" if path == "/none" else f"WS {path}")
    assert refused.value.response.status_code == span.attributes["http.response.status_code"] == status
    assert ("websocket.close_code" in span.attributes, span.attributes.get("error.type")) == (False, error)
