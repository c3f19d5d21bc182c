"""The request's context: everywhere inside of it, nowhere outside."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from opentelemetry import context as context_api
from opentelemetry import trace

from otel_distro import bind
from otel_distro.context.work import CURRENT, request_id
from tests.conftest import Telemetry
from tests.instrumentation.asgi.conftest import Call

pytestmark = pytest.mark.usefixtures("instrumented")


async def test_nothing_leaks_to_the_caller(call: Call) -> None:
    """After a request in our own task, work and context are what they were; also when it failed."""
    app = FastAPI()

    @app.get("/fail")
    async def fail() -> None:
        raise RuntimeError

    before = dict(contextvars.copy_context())
    await call(app, "/none")
    await call(app, "/fail")
    after = dict(contextvars.copy_context())
    assert CURRENT.get() is None
    assert trace.get_current_span() is trace.INVALID_SPAN
    left = {var.name for var, value in after.items() if value != before.get(var) and value}
    assert left == {"otel_distro.recorded"}, "by which the caller's line about the exception finds its request"
    assert context_api.get_current() == {}


async def test_sync_dependencies_and_threads_share_the_work(telemetry: Telemetry, call: Call) -> None:
    """A user bound in a sync dependency is on the root span; threads and tasks know the request."""
    app = FastAPI()

    def who() -> None:
        bind(user="alice", tier="gold")

    @app.get("/sync", dependencies=[Depends(who)])
    def sync() -> str | None:
        return request_id()

    @app.get("/tasks")
    async def tasks() -> list[str | None]:
        async def child() -> str | None:
            return request_id()

        return [await asyncio.create_task(child()), await asyncio.to_thread(request_id)]

    assert (await call(app, "/sync", headers={"x-request-id": "r-1"})).json() == "r-1"
    assert (await call(app, "/tasks", headers={"x-request-id": "r-2"})).json() == ["r-2", "r-2"]
    bound, _ = telemetry.spans()
    attributes: Any = bound.attributes
    assert (attributes["user.tier"], len(attributes["user.hash"])) == ("gold", 32)
    assert "alice" not in str(dict(attributes))


async def test_concurrent_requests_do_not_mix(telemetry: Telemetry, call: Call) -> None:
    """A hundred at once each see their own id, before and after waiting."""
    app = FastAPI()

    @app.get("/")
    async def own() -> list[str | None]:
        before = request_id()
        await asyncio.sleep(0)
        return [before, request_id()]

    ids = [f"r-{number}" for number in range(100)]
    answers = await asyncio.gather(*(call(app, "/", headers={"x-request-id": item}) for item in ids))
    assert [answer.json() for answer in answers] == [[item, item] for item in ids]
    assert len({span.context.trace_id for span in telemetry.spans()}) == 100


async def test_a_request_inside_a_request_is_a_request(telemetry: Telemetry, call: Call) -> None:
    """An app that calls another in the same process has a span for each, and gets its own context back."""
    inner, outer = FastAPI(), FastAPI()

    @outer.get("/outer")
    async def through() -> list[Any]:
        answer = await call(inner, "/none", headers={"x-request-id": "inner"})
        return [answer.headers["x-request-id"], request_id()]

    answer = await call(outer, "/outer", headers={"x-request-id": "outer"})
    assert answer.json() == ["inner", "outer"]
    first, second = telemetry.spans()
    assert first.parent is not None
    assert second.context is not None
    assert first.parent.span_id == second.context.span_id


async def test_an_exception_handler_sees_the_requests_context(call: Call) -> None:
    """The handler of unhandled exceptions still runs inside of the request."""
    from fastapi.responses import PlainTextResponse

    app = FastAPI()

    @app.exception_handler(Exception)
    async def sorry(request: Any, error: Exception) -> PlainTextResponse:
        return PlainTextResponse(f"sorry, {request_id()}", 500)

    @app.get("/fail")
    async def fail() -> None:
        raise RuntimeError

    assert (await call(app, "/fail", headers={"x-request-id": "r-1"})).text == "sorry, r-1"


def test_the_instrumentor_leaves_no_trace(instrument: Callable[..., None]) -> None:
    """Off, on, off, on, off: the patched classes have their own methods again, twice in a row."""
    from fastapi.routing import APIRoute
    from starlette.applications import Starlette
    from starlette.routing import Mount, Route, WebSocketRoute

    from otel_distro.instrumentation.asgi import AsgiInstrumentor

    def methods() -> list[Any]:
        owners = [(Starlette, "__call__"), (FastAPI, "__init__"), (Route, "handle"), (WebSocketRoute, "handle")]
        return [vars(owner).get(name) for owner, name in [*owners, (Mount, "handle"), (APIRoute, "handle")]]

    on = methods()
    AsgiInstrumentor().uninstrument()
    off = methods()
    assert on[0] is not off[0]
    assert on != off
    instrument()
    AsgiInstrumentor().uninstrument()
    assert methods() == off


def test_switching_on_imports_no_framework() -> None:
    """A process without FastAPI pays for none; when it is imported later, it is instrumented."""
    code = """
import sys
from otel_distro.instrumentation.asgi import AsgiInstrumentor
AsgiInstrumentor().instrument()
assert not {"fastapi", "starlette", "opentelemetry.instrumentation.fastapi"} & set(sys.modules)
from starlette.applications import Starlette
assert Starlette.__call__.__wrapped__
"""
    subprocess.run([sys.executable, "-c", code], check=True)
