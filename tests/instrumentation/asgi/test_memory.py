"""What an open request costs while it waits."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from starlette.applications import Starlette

from otel_distro.instrumentation.asgi import AsgiInstrumentor
from otel_distro.instrumentation.asgi.request import ServerRequest
from otel_distro.instrumentation.asgi.route import RequestWork
from tests.conftest import Telemetry
from tests.instrumentation.asgi.scopes import ignore, receive_nothing, scope_of

OPEN = 500
BUDGET = 4096
"""Bytes per open request: span, attributes, work, context and what stands between server and application."""


class Events:
    """An app that sends one event and waits, and requests to it that stay open until told to end."""

    def __init__(self) -> None:
        self.app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
        self.sent = 0
        self.over = asyncio.Event()
        self.app.get("/events/{number}")(self.events)

    async def events(self, number: int) -> StreamingResponse:
        """Server-sent events."""
        return StreamingResponse(self.stream(), media_type="text/event-stream")

    async def stream(self) -> AsyncIterator[str]:
        yield "data: 1\n\n"
        await self.over.wait()
        yield "data: 2\n\n"

    async def request(self, number: int) -> None:
        headers = [(b"host", b"shop.test"), (b"user-agent", b"browser/1"), (b"x-request-id", b"r-%d" % number)]
        scope = scope_of(f"/events/{number}", headers=headers, query_string=b"last=%d" % number)
        await self.app(scope, self.receive, self.send)

    async def receive(self) -> dict[str, Any]:
        await self.over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent += bool(message.get("body"))

    async def bytes_per_request(self, count: int) -> float:
        """How much memory an open request holds."""
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        tasks = [asyncio.create_task(self.request(number)) for number in range(count)]
        while self.sent < count:  # noqa: ASYNC110 - the app under test is what it waits for
            await asyncio.sleep(0)
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        self.over.set()
        await asyncio.gather(*tasks)
        return (held - before) / count


async def test_an_open_request_stays_within_its_budget(telemetry: Telemetry, instrument: Any) -> None:
    """Five hundred open streams hold a few kilobytes each more than without us."""
    await Events().bytes_per_request(10)
    bare = await Events().bytes_per_request(OPEN)
    instrument()
    await Events().bytes_per_request(10)
    watched = await Events().bytes_per_request(OPEN)
    AsgiInstrumentor().uninstrument()
    print(f"bytes per open request: {bare:.0f} bare, {watched - bare:.0f} more with us")  # noqa: T201 - the measure
    assert 0 < watched - bare < BUDGET
    assert len(telemetry.spans("GET /events/{number}")) == OPEN + 10


async def test_a_finished_request_leaves_nothing_behind(telemetry: Telemetry, instrument: Any) -> None:
    """No reference cycle of ours keeps a request alive after its end, also when it failed."""
    instrument()
    app = Starlette()

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})
        if scope["path"] == "/fail":
            raise RuntimeError

    app.middleware_stack = answer
    gc.collect()
    gc.disable()
    try:
        await app(scope_of("/"), receive_nothing, ignore)
        with contextlib.suppress(RuntimeError):
            await app(scope_of("/fail"), receive_nothing, ignore)
        left = [found for found in gc.get_objects() if type(found) in (ServerRequest, RequestWork)]
    finally:
        gc.enable()
    assert left == []
