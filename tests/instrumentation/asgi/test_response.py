"""Answers that take a while: streams, events, parts, and what runs after the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import Response, StreamingResponse
from opentelemetry import trace
from opentelemetry.trace import StatusCode
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import Route

from otel_distro.context.work import request_id
from tests.conftest import Telemetry
from tests.instrumentation.asgi.conftest import Call

pytestmark = pytest.mark.usefixtures("instrumented")


async def test_a_streamed_response_has_its_time_to_first_byte(telemetry: Telemetry, call: Call) -> None:
    """Streaming is marked, the first byte timed, and the duration lasts until the last one."""
    app = FastAPI()
    opened = asyncio.Event()

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"first"
            asyncio.get_running_loop().call_later(0.05, opened.set)
            await opened.wait()
            yield b"last"

        return StreamingResponse(parts())

    await call(app, "/stream")
    (span,) = telemetry.spans()
    attributes: Any = span.attributes
    assert attributes["http.response.streaming"] is True
    assert attributes["http.response.body.size"] == 9
    assert attributes["http.response.time_to_first_byte"] < 0.05 <= seconds(span)


async def test_one_event_is_a_stream_and_one_part_is_not(telemetry: Telemetry, call: Call) -> None:
    """Server-sent events are streams whatever their number; middleware that re-streams a plain answer makes it none."""
    app = FastAPI()

    @app.get("/events")
    async def events() -> StreamingResponse:
        return StreamingResponse(iter(["data: 1\n\n"]), media_type="text/event-stream")

    @app.get("/plain")
    async def plain() -> str:
        return "plain"

    app.add_middleware(BaseHTTPMiddleware, dispatch=lambda request, call_next: call_next(request))
    await call(app, "/events")
    await call(app, "/plain")
    assert ["http.response.streaming" in (span.attributes or {}) for span in telemetry.spans()] == [True, False]


async def test_a_range_response_counts_the_part(telemetry: Telemetry, call: Call) -> None:
    """A 206 has the size of what was sent."""
    part = {"content-range": "bytes 100-199/1000", "content-length": "100"}
    app = Starlette(routes=[Route("/film", lambda request: Response(b"x" * 100, 206, part))])
    await call(app, "/film", headers={"Range": "bytes=100-199"})
    (span,) = telemetry.spans()
    attributes: Any = span.attributes
    assert (attributes["http.response.status_code"], attributes["http.response.body.size"]) == (206, 100)


async def test_a_background_task_is_inside_the_request_but_not_in_its_latency(telemetry: Telemetry, call: Call) -> None:
    """The duration ends with the response; the task's spans and work are the request's."""
    app = FastAPI()
    seen: list[Any] = []

    async def later() -> None:
        await asyncio.sleep(0.05)
        with trace.get_tracer("app").start_as_current_span("later"):
            seen.append(request_id())

    @app.post("/feedback")
    async def feedback(tasks: BackgroundTasks) -> str:
        tasks.add_task(later)
        return "thanks"

    await call(app, "/feedback", "POST", headers={"X-Request-ID": "r-1"})
    (task,), (request,) = telemetry.spans("later"), telemetry.spans("POST /feedback")
    assert seen == ["r-1"]
    assert task.parent is not None
    assert request.context is not None
    assert task.parent.span_id == request.context.span_id
    assert seconds(request) < 0.05


async def test_a_failing_background_task_marks_the_request(telemetry: Telemetry, call: Call) -> None:
    """The client has its 200, the trace is an error."""
    app = FastAPI()

    def later() -> None:
        raise KeyError("gone")

    @app.post("/feedback")
    async def feedback(tasks: BackgroundTasks) -> str:
        tasks.add_task(later)
        return "thanks"

    answer = await call(app, "/feedback", "POST")
    (span,) = telemetry.spans()
    attributes: Any = span.attributes
    assert (answer.status_code, attributes["http.response.status_code"], attributes["error.type"]) == (
        200,
        200,
        "KeyError",
    )
    assert span.status.status_code is StatusCode.ERROR


def seconds(span: Any) -> float:
    """The span's duration."""
    return float(span.end_time - span.start_time) / 1e9
