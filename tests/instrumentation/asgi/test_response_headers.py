"""Response headers: every answer tells its request's ids."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI, Response
from starlette.middleware.cors import CORSMiddleware

from tests.conftest import Telemetry
from tests.instrumentation.asgi.conftest import Call
from tests.instrumentation.asgi.scopes import receive_nothing, scope_of

pytestmark = pytest.mark.usefixtures("instrumented")


async def test_an_answer_carries_ids_and_trace(telemetry: Telemetry, call: Call) -> None:
    """X-Request-ID, X-Correlation-ID and Server-Timing, once each, also on a 404."""
    answer = await call(FastAPI(), "/none")
    (span,) = telemetry.spans()
    assert span.context is not None
    trace_id, span_id = f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"
    assert answer.headers.get_list("x-request-id") == answer.headers.get_list("x-correlation-id") == [trace_id]
    (timing,) = answer.headers.get_list("server-timing")
    assert timing.startswith(f'traceparent;desc="00-{trace_id}-{span_id}-')


async def test_the_apps_own_headers_win(call: Call) -> None:
    """What the app sets itself stays as it is and is not repeated; its own timings stay beside ours."""
    app = FastAPI()

    @app.get("/own")
    async def own(response: Response) -> None:
        response.headers["X-Request-ID"] = "own"
        response.headers["Server-Timing"] = "db;dur=5"

    @app.get("/traced")
    async def traced(response: Response) -> None:
        response.headers["Server-Timing"] = 'traceparent;desc="mine"'

    answer = await call(app, "/own", headers={"x-request-id": "theirs"})
    assert answer.headers.get_list("x-request-id") == ["own"]
    assert answer.headers.get_list("x-correlation-id") == ["theirs"]
    timings = answer.headers.get_list("server-timing")
    assert (timings[0], timings[1][:11]) == ("db;dur=5", "traceparent")
    assert (await call(app, "/traced")).headers.get_list("server-timing") == ['traceparent;desc="mine"']


@pytest.mark.parametrize(
    ("exposed", "expected"),
    [
        ([], "X-Request-ID, X-Correlation-ID, Server-Timing"),
        (["X-Page", "x-request-id"], "X-Page, x-request-id, X-Correlation-ID, Server-Timing"),
        (["*"], "*"),
    ],
)
async def test_ids_are_exposed_where_the_app_allows_other_origins(
    call: Call, exposed: list[str], expected: str
) -> None:
    """Scripts of an allowed origin can read the ids; what the app exposes stays exposed."""
    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=["https://shop.test"], expose_headers=exposed)
    answer = await call(app, "/none", headers={"Origin": "https://shop.test"})
    assert answer.headers.get_list("access-control-expose-headers") == [expected]


async def test_nothing_is_exposed_without_cors(call: Call) -> None:
    """An app that allows no other origin gets no CORS header from us."""
    assert "access-control-expose-headers" not in (await call(FastAPI(), "/none")).headers


async def test_headers_of_any_form_are_passed_on() -> None:
    """Lists, generators and capital letters, as raw ASGI applications send them; the app's message is not touched."""
    app = FastAPI()
    message = {"type": "http.response.start", "status": 204, "headers": iter([[b"X-Request-Id", b"raw"]])}
    sent: list[Any] = []

    async def raw(scope: Any, receive: Any, send: Any) -> None:
        await send(message)
        await send({"type": "http.response.body"})

    async def keep(message: Any) -> None:
        sent.append(message)

    app.middleware_stack = raw
    await app(scope_of("/"), receive_nothing, keep)
    names = [name.lower() for name, _ in sent[0]["headers"]]
    assert names == [b"x-request-id", b"x-correlation-id", b"server-timing"]
    assert sent[0] is not message
