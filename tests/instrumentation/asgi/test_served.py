"""Requests through a real server: streams, clients that leave, lifespans."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from opentelemetry.trace import StatusCode

from otel_distro.record import HANDOVER
from tests.conftest import Telemetry
from tests.instrumentation.asgi.servers import serving, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("instrumented")]


def test_a_client_that_leaves_a_stream_ends_it_without_error(telemetry: Telemetry) -> None:
    """Server-sent events until the client hangs up: a 200, streaming, with the bytes sent so far."""
    app = FastAPI()

    @app.get("/events")
    async def events() -> StreamingResponse:
        async def endless() -> AsyncIterator[str]:
            while True:
                yield "data: tick\n\n"
                await asyncio.sleep(0.001)

        return StreamingResponse(endless(), media_type="text/event-stream")

    with serving(app) as server:
        with httpx.stream("GET", f"http://{server.url}/events") as answer:
            lines = answer.iter_lines()
            assert next(lines) == "data: tick"
            assert sum(point.value for point in telemetry.points("http.server.active_requests")) == 1
        wait_until(lambda: telemetry.spans("GET /events"))
    (span,) = telemetry.spans()
    attributes: Any = span.attributes
    assert (attributes["http.response.status_code"], attributes["http.response.streaming"]) == (200, True)
    assert attributes["http.response.body.size"] >= len("data: tick\n\n")
    assert ("error.type" in attributes, span.status.status_code) == (False, StatusCode.UNSET)


def test_a_failing_stream_is_an_error_although_its_status_was_sent(telemetry: Telemetry) -> None:
    """The exception after the first byte is on the span, beside the 200 that the client saw."""
    app = FastAPI()

    @app.get("/torn")
    async def torn() -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            yield "first"
            raise OSError("disk")

        return StreamingResponse(parts())

    with serving(app) as server, pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"http://{server.url}/torn")
    (span,) = telemetry.spans()
    attributes: Any = span.attributes
    assert attributes["http.response.status_code"] == 200
    assert attributes["error.type"] in {"OSError", "ExceptionGroup"}, "an old Starlette groups it"
    assert len([record for record in telemetry.logs() if record.event_name == "exception"]) == 1


def test_the_same_connection_carries_many_requests(telemetry: Telemetry) -> None:
    """Keep-alive requests do not inherit one another's trace or id."""
    app = FastAPI()
    with serving(app) as server, httpx.Client(base_url=f"http://{server.url}") as client:
        ids = [client.get("/none").headers["x-request-id"] for _ in range(5)]
    assert len(set(ids)) == 5
    assert all(span.parent is None for span in telemetry.spans())


class Slow:
    """A sink whose flush takes as long as it is told to."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.asked: list[int] = []
        self.lifespans: list[str] = []
        self.release = threading.Event()

    def flush(self, timeout_millis: int) -> bool:
        """Remember what was asked; ignore it."""
        self.asked.append(timeout_millis)
        return self.release.wait(self.seconds)


@pytest.fixture
def sink(telemetry: Telemetry) -> Any:
    """Puts a sink into the hand-over, for this test."""
    before, slow = HANDOVER.sink, Slow(30)
    HANDOVER.sink = slow  # type: ignore[assignment]
    yield slow
    slow.release.set()
    HANDOVER.sink = before


def test_the_end_of_the_lifespan_flushes(sink: Slow) -> None:
    """After the app's own shutdown, once, with the time that the setting allows."""
    order: list[Any] = []
    sink.release.set()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        order.append(list(sink.asked))

    with serving(FastAPI(lifespan=lifespan)) as server:
        httpx.get(f"http://{server.url}/none")
    assert (order, sink.asked) == ([[]], [2000])


def test_a_flush_that_hangs_delays_the_end_no_longer_than_the_setting(
    sink: Slow, settings: Callable[..., None]
) -> None:
    """The server stops at the deadline although the thread still waits."""
    settings(shutdown_timeout=0.2)
    with serving(FastAPI()) as server:
        begun = monotonic()
        server.stop()
        assert 0.2 <= monotonic() - begun < 5
    assert sink.asked == [200]


def test_a_failed_startup_flushes_too(sink: Slow, caplog: pytest.LogCaptureFixture) -> None:
    """What was said before the process gives up still leaves."""
    sink.release.set()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    import uvicorn

    server = uvicorn.Server(uvicorn.Config(FastAPI(lifespan=lifespan), port=0, log_config=None))
    with pytest.raises(SystemExit):
        server.run()
    assert sink.asked == [2000]
