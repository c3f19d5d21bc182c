"""HTTP requests: one span each, named and measured by what the client saw."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from opentelemetry.trace import SpanKind, StatusCode
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from otel_distro.instrumentation.logging import LoggingInstrumentor
from tests.conftest import Telemetry
from tests.instrumentation.asgi.conftest import Call
from tests.instrumentation.asgi.scopes import ignore, receive_nothing, scope_of

pytestmark = pytest.mark.usefixtures("instrumented")


def shop() -> FastAPI:
    """An app with every kind of route."""
    app, included, mounted = FastAPI(), APIRouter(prefix="/v1"), FastAPI()

    @app.get("/items/{item_id:int}")
    async def item(item_id: int) -> dict[str, int]:
        return {"id": item_id}

    @included.get("/orders/{order}")
    def order(order: str) -> str:
        return order

    @mounted.get("/users/{user}")
    async def user(user: int) -> int:
        return user

    @app.get("/fail")
    async def fail() -> None:
        raise RuntimeError("broken")

    @app.get("/busy")
    async def busy() -> None:
        raise HTTPException(503)

    @app.post("/upload")
    async def upload(request: Request) -> int:
        return len(await request.body())

    app.include_router(included, prefix="/api")
    app.mount("/tenants/{tenant}", mounted)
    return app


async def test_twenty_one_requests_are_twenty_one_spans(telemetry: Telemetry, call: Call) -> None:
    """Each plain request gives one span and one access line, and nothing else."""
    app = shop()
    for number in range(21):
        await call(app, f"/items/{number}")
    assert [(span.name, span.kind) for span in telemetry.spans()] == [("GET /items/{item_id}", SpanKind.SERVER)] * 21
    assert [record.body for record in telemetry.logs()] == ["request_completed"] * 21


async def test_the_span_says_what_was_asked_and_answered(telemetry: Telemetry, call: Call) -> None:
    """All attributes of a plain request's span, by the stable conventions."""
    answer = await call(shop(), "/items/7?size=2", headers={"User-Agent": "shopper/1", "X-Request-ID": "chosen"})
    (span,) = telemetry.spans()
    attributes = dict(span.attributes or {})
    assert len(attributes.pop("client.address")) == 32, "the client's address is a pseudonym"
    assert attributes == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/items/7",
        "url.query": "size=2",
        "http.route": "/items/{item_id}",
        "http.response.status_code": 200,
        "http.response.body.size": len(answer.content),
        "network.protocol.version": "1.1",
        "server.address": "shop.test",
        "server.port": 80,
        "user_agent.original": "shopper/1",
        "request_id": "chosen",
    }
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "otel_distro.asgi"
    assert span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/items/1", "/items/{item_id}"),
        ("/api/v1/orders/a", "/api/v1/orders/{order}"),
        ("/tenants/acme/users/1", "/tenants/{tenant}/users/{user}"),
        ("/tenants/acme/none", None),
        ("/none", None),
        ("/docs", "/docs"),
    ],
)
async def test_the_route_is_the_full_template(telemetry: Telemetry, call: Call, path: str, route: str | None) -> None:
    """Included routers and mounts with parameters are part of the route; where nothing matched there is none."""
    await call(shop(), path)
    (span,) = telemetry.spans()
    assert (span.attributes or {}).get("http.route") == route
    assert span.name == ("GET" if route is None else f"GET {route}")


async def test_starlette_routes_and_static_files_have_routes(telemetry: Telemetry, call: Call, tmp_path: Any) -> None:
    """A plain Starlette app, nested mounts, and an app without routes of its own behind a mount."""
    (tmp_path / "a.txt").write_text("a")
    inner = [Route("/deep/{x}", lambda request: PlainTextResponse("deep"))]
    app = Starlette(
        routes=[
            Mount("/one", routes=[Mount("/{two}", routes=inner)]),
            Mount("/static", StaticFiles(directory=tmp_path)),
        ]
    )
    await call(app, "/one/2/deep/3")
    await call(app, "/static/a.txt")
    await call(app, "/static/none.txt")
    assert [span.name for span in telemetry.spans()] == [
        "GET /one/{two}/deep/{x}",
        "GET /static/{path}",
        "GET /static/{path}",
    ]


async def test_a_copied_scope_still_tells_the_route(telemetry: Telemetry, call: Call) -> None:
    """Middleware that hands on a copy of the scope hides neither the route nor makes a second span."""
    inside = shop()

    class Copying:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(dict(scope), receive, send)

    inside.add_middleware(Copying)
    await call(inside, "/api/v1/orders/a")
    assert [span.name for span in telemetry.spans()] == ["GET /api/v1/orders/{order}"]


async def test_a_wrong_method_keeps_its_route(telemetry: Telemetry, call: Call) -> None:
    """A 405 names the route whose path matched."""
    await call(shop(), "/items/1", "DELETE")
    (span,) = telemetry.spans()
    assert (span.name, (span.attributes or {})["http.response.status_code"]) == ("DELETE /items/{item_id}", 405)


async def test_unknown_methods_are_one(telemetry: Telemetry, call: Call) -> None:
    """A method that nobody knows is _OTHER, with the original beside it."""
    await call(shop(), "/none", "BREW")
    (span,) = telemetry.spans()
    attributes = span.attributes or {}
    assert (span.name, attributes["http.request.method"], attributes["http.request.method_original"]) == (
        "HTTP",
        "_OTHER",
        "BREW",
    )


async def test_an_unhandled_exception_is_recorded_once_and_raised_on(telemetry: Telemetry, call: Call) -> None:
    """The span fails with the exception's class, one log record has the stack, the server gets the exception."""
    app = shop()
    answer = await call(app, "/fail")
    (span,) = telemetry.spans()
    attributes = span.attributes or {}
    assert answer.status_code == attributes["http.response.status_code"] == 500
    assert attributes["error.type"] == "RuntimeError"
    assert span.status.status_code is StatusCode.ERROR
    assert span.events == ()
    (record,) = [record for record in telemetry.logs() if record.event_name == "exception"]
    assert span.context is not None
    assert (record.trace_id, record.span_id) == (span.context.trace_id, span.context.span_id)
    assert dict(record.fields or {}) == {"request_id": attributes["request_id"]}
    with pytest.raises(RuntimeError, match=r"^broken$"):
        await app({**scope_of("/fail")}, receive_nothing, ignore)


async def test_an_exception_object_raised_again_is_recorded_again(telemetry: Telemetry) -> None:
    """Two requests raise the same object: each has its record, and the server's line about each its own ids."""
    app, error, logger = FastAPI(), ValueError("always"), logging.getLogger("server")

    @app.get("/fail")
    async def fail() -> None:
        raise error

    async def serve() -> None:
        with suppress(ValueError):
            try:
                await app({**scope_of("/fail")}, receive_nothing, ignore)
            finally:
                logger.error("Exception in ASGI application", exc_info=True)

    LoggingInstrumentor().instrument()
    try:
        await asyncio.create_task(serve())
        await asyncio.create_task(serve())
        logger.error("Exception elsewhere", exc_info=error)
    finally:
        LoggingInstrumentor().uninstrument()
    traces = [span.context.trace_id for span in telemetry.spans() if span.context]
    records = [record for record in telemetry.logs() if record.event_name == "exception"]
    lines = telemetry.logs("Exception in ASGI application")
    assert [record.trace_id for record in records] == [line.trace_id for line in lines] == traces
    assert len(set(traces)) == 2
    assert all("exception.stacktrace" not in (line.attributes or {}) for line in lines)
    (elsewhere,) = telemetry.logs("Exception elsewhere")
    assert (elsewhere.trace_id, dict(elsewhere.fields or {})) == (0, {})
    assert "exception.stacktrace" in (elsewhere.attributes or {})


class Cancelled(Exception):  # noqa: N818 - named as trio's
    """An app's own, of an order that was."""


class StopEverythingError(BaseException):
    """Not an `Exception`, like a `BaseExceptionGroup`."""


@pytest.mark.parametrize("kind", [Cancelled, StopEverythingError])
async def test_what_escapes_is_an_error_whatever_its_class(telemetry: Telemetry, kind: type[BaseException]) -> None:
    """A class with the name of one that says "the client left" or above `Exception`, fails the span and is recorded."""
    app = FastAPI()

    @app.get("/fail")
    async def fail() -> None:
        raise kind

    with pytest.raises(kind):
        await app(scope_of("/fail"), receive_nothing, ignore)
    (span,) = telemetry.spans()
    assert ((span.attributes or {})["error.type"], span.status.status_code) == (
        f"{__name__}.{kind.__name__}",
        StatusCode.ERROR,
    )
    (record,) = [record for record in telemetry.logs() if record.event_name == "exception"]
    assert "exception.stacktrace" in (record.attributes or {})


async def test_a_client_that_leaves_is_no_error_unless_the_answer_was_one(telemetry: Telemetry) -> None:
    """Starlette's ClientDisconnect is no failure; after a 500 was sent it does not hide that one."""

    async def leave(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/500":
            await send({"type": "http.response.start", "status": 500, "headers": []})
        raise ClientDisconnect

    app = Starlette()
    app.middleware_stack = leave
    for path in ("/left", "/500"):
        with pytest.raises(ClientDisconnect):
            await app(scope_of(path), receive_nothing, ignore)
    left, failed = telemetry.spans()
    assert (left.status.status_code, failed.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)


async def test_a_handled_5xx_is_an_error_and_a_4xx_is_none(telemetry: Telemetry, call: Call) -> None:
    """An HTTPException 503 fails the span by its status; a 404 is not an error of the server."""
    await call(shop(), "/busy")
    await call(shop(), "/none")
    busy, missing = telemetry.spans()
    assert ((busy.attributes or {})["error.type"], busy.status.status_code) == ("503", StatusCode.ERROR)
    assert ("error.type" in (missing.attributes or {}), missing.status.status_code) == (False, StatusCode.UNSET)
    assert [record.body for record in telemetry.logs()] == ["request_completed"] * 2


async def test_an_app_without_error_middleware_answers_500_by_its_server(telemetry: Telemetry) -> None:
    """An exception before any response is the 500 that the server will answer."""
    app = Starlette()

    async def stack(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("early")

    app.middleware_stack = stack
    with pytest.raises(ValueError, match="early"):
        await app(scope_of("/"), receive_nothing, ignore)
    (span,) = telemetry.spans()
    assert (span.attributes or {})["http.response.status_code"] == 500


async def test_body_sizes_are_counted_in_both_directions(telemetry: Telemetry, call: Call) -> None:
    """By the declared length, or by counting when none is declared."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"x" * 700
        yield b"x" * 300

    await call(shop(), "/upload", "POST", content=b"x" * 500)
    await call(shop(), "/upload", "POST", content=parts())
    sizes = [
        ((s.attributes or {})["http.request.body.size"], (s.attributes or {})["http.response.body.size"])
        for s in telemetry.spans()
    ]
    assert sizes == [(500, 3), (1000, 4)]


async def test_a_cancelled_request_ends_its_span_without_blame(telemetry: Telemetry) -> None:
    """Cancellation from outside passes through, and is no failure of the app."""
    app = FastAPI()
    waiting = asyncio.Event()

    @app.get("/wait")
    async def wait() -> None:
        waiting.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(app(scope_of("/wait"), receive_nothing, ignore))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (span,) = telemetry.spans()
    assert (span.name, span.status.status_code) == ("GET /wait", StatusCode.UNSET)
    assert [record.event_name for record in telemetry.logs()] == ["http.server.request_completed"]
    assert active(telemetry) == [("GET", 0)]


async def test_active_requests_are_those_without_a_complete_response(telemetry: Telemetry, call: Call) -> None:
    """The request itself counts as one; once all are answered the series says zero."""
    app = FastAPI()

    @app.get("/count")
    async def count() -> list[Any]:
        return active(telemetry)

    answer = await call(app, "/count")
    assert answer.json() == [["GET", 1]]
    assert active(telemetry) == [("GET", 0)]


@pytest.mark.parametrize("key", ["token", "api_key", "password", "X-Amz-Signature", "client-secret"])
async def test_secrets_in_the_query_are_not_recorded(telemetry: Telemetry, call: Call, key: str) -> None:
    """The value of a well-known secret is replaced, the rest stays."""
    await call(shop(), f"/items/1?{key}=s3cr3t&a=b")
    (span,) = telemetry.spans()
    assert (span.attributes or {})["url.query"] == f"{key}=REDACTED&a=b"


async def test_the_app_gets_the_same_messages_it_sent(call: Call) -> None:
    """A response object that is sent twice does not collect our headers."""
    once = JSONResponse({"a": 1})
    app = Starlette(routes=[Route("/", lambda request: once)])
    first = await call(app, "/")
    second = await call(app, "/")
    assert len(first.headers.raw) == len(second.headers.raw)
    assert len(once.raw_headers) == 2


async def test_a_broken_scope_is_the_apps_affair(telemetry: Telemetry) -> None:
    """What our reading can't stand is left to the app as it is."""
    app = Starlette()
    seen: list[Any] = []

    async def stack(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    app.middleware_stack = stack
    await app({"type": "http"}, receive_nothing, ignore)
    assert len(seen) == 1
    assert telemetry.spans() == []


def active(telemetry: Telemetry) -> list[tuple[Any, Any]]:
    """The open GET requests (series of other tests' methods stay, at zero)."""
    points = telemetry.points("http.server.active_requests")
    return [
        (at["http.request.method"], p.value) for p in points if (at := p.attributes)["http.request.method"] == "GET"
    ]
