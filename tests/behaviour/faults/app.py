"""The reference app: FastAPI, SQLAlchemy, httpx, Celery, three ways to log, threads. Of us it knows `bind` only."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import BackgroundTasks, FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.routing import Mount, Route

from otel_distro import bind
from tests.behaviour.faults.lines import EVENTS, LISTENERS, LOG, PRINTED, QUEUE, QUEUED, loguru_logger
from tests.behaviour.faults.tasks import AppError, add, engine, fail, flaky, ignored, rejected, small

SEEN: list[str] = []
"""What its own code met."""
HERE: dict[str, str] = {}
"""Where it is served, by `url`."""


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Begin and end."""
    SEEN.append("startup")
    yield
    SEEN.append("shutdown")


async def _plain(_: Request) -> JSONResponse:
    return JSONResponse({"plain": True})


_NUMBERS = itertools.count()
app = FastAPI(lifespan=lifespan, routes=[Mount("/mounted", routes=[Route("/{name}", _plain)])])
app.add_middleware(CORSMiddleware, allow_origins=["https://shop.example"], allow_methods=["*"])


@app.exception_handler(AppError)
async def answer_app_error(_: Request, error: AppError) -> JSONResponse:
    """The app's own answer to its own error."""
    LOG.error("handled", exc_info=error)
    return JSONResponse({"detail": str(error)}, 418)


@app.get("/items/{number}")
async def item(number: int) -> dict[str, Any]:
    """Queries, lines of all libraries, a user."""
    bind(user="alice", session="s", tier="free", tenant="acme")
    LOG.info("fetching %s", number, extra={"order": number})
    with engine.connect() as connection:
        name = connection.execute(text("SELECT name FROM item WHERE id = :id"), {"id": number}).scalar()
        count = connection.exec_driver_sql("SELECT count(*) FROM item").scalar()
    EVENTS.info("fetched", name=name)
    loguru_logger.bind(number=number).info("fetched {}", name)
    PRINTED.info("printed", name=name)
    return {"name": name, "count": count}


@app.post("/items")
def create(body: dict[str, Any]) -> dict[str, Any]:
    """A sync endpoint: a transaction that is committed, one that is rolled back, many rows."""
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO item VALUES (9, :name)"), {"name": body["name"]})
        connection.execute(text("INSERT INTO item VALUES (:id, 'x')"), [{"id": 10}, {"id": 11}])
    with engine.connect() as connection:
        found = connection.execute(text("SELECT count(*) FROM item")).scalar()
        connection.execute(text("DELETE FROM item WHERE id > 2"))
        connection.rollback()
        connection.execute(text("DELETE FROM item WHERE id > 2"))
        connection.commit()
    return {"count": found}


@app.get("/conflict")
def conflict() -> dict[str, str]:
    """The database's own error."""
    try:
        with engine.begin() as connection:
            # a new name; long, so that it is measured before it waits, and so is the span that comes behind it
            LOG.info("long: %s", "l" * 2000, extra={f"name_{next(_NUMBERS)}": 7})
            connection.execute(text("INSERT INTO item VALUES (1, 'again')"))
    except IntegrityError as error:
        LOG.exception("conflict")
        return {"error": type(error.orig).__name__, "text": str(error.orig)}
    return {}


@app.get("/exhausted")
def exhausted() -> dict[str, str]:
    """No connection in time."""
    with small.connect():
        try:
            small.connect()
        except PoolTimeoutError as error:
            return {"error": type(error).__name__}
    return {}


@app.get("/fresh")
async def fresh() -> dict[str, Any]:
    """Engines that are new, sync and async; one that listens itself."""
    made = create_engine("sqlite://")
    heard: list[str] = []
    event.listen(made, "before_cursor_execute", lambda *given: heard.append(given[2]))
    with made.connect() as connection:
        one = connection.execute(text("SELECT 1")).scalar()
        connection.detach()
    made.dispose()
    later = create_async_engine("sqlite+aiosqlite://")
    async with later.connect() as connection:
        two = (await connection.execute(text("SELECT 2"))).scalar()
    await later.dispose()
    return {"one": one, "two": two, "heard": heard}


@app.get("/calls")
async def calls() -> dict[str, Any]:
    """Calls by httpx: answered, redirected, refused, not found, sync and async."""
    found: list[Any] = []
    async with httpx.AsyncClient(base_url=HERE["url"], follow_redirects=True) as client:
        found += [[(await client.get(path)).status_code] for path in ("/health", "/moved", "/nowhere")]
        try:
            await client.get("http://127.0.0.1:9/nobody?token=secret")
        except httpx.ConnectError as error:
            found.append(type(error).__name__)
    return {"found": found, "sync": await asyncio.to_thread(_call)}


def _call() -> Any:
    with httpx.Client(base_url=HERE["url"]) as client:
        answer = client.get("/health")
        try:
            client.get("http://127.0.0.1:9/nobody")
        except httpx.ConnectError as error:
            return [answer.json(), type(error).__name__]
    return None


@app.get("/moved")
async def moved() -> RedirectResponse:
    """Elsewhere."""
    return RedirectResponse("/health")


@app.get("/health")
async def health() -> dict[str, bool]:
    """A quiet route."""
    return {"ok": True}


@app.get("/excluded")
async def excluded() -> dict[str, bool]:
    """A route without telemetry."""
    LOG.info("excluded")
    return {"ok": True}


@app.get("/handled")
async def handled() -> None:
    """The app's own error, which it answers."""
    raise AppError("of the app")


@app.get("/unhandled")
async def unhandled() -> None:
    """An error that nobody answers."""
    raise ZeroDivisionError("nobody")


@app.get("/stream")
async def stream(background: BackgroundTasks) -> StreamingResponse:
    """Several parts, and a task after them."""

    async def parts() -> AsyncIterator[bytes]:
        for number in range(3):
            LOG.info("part %s", number)
            yield b"data: %d\n\n" % number

    background.add_task(LOG.info, "after the response")
    return StreamingResponse(parts(), media_type="text/event-stream", background=background)


@app.get("/broken-stream")
async def broken_stream() -> StreamingResponse:
    """An error in the middle of the response."""

    def parts() -> Iterator[bytes]:
        yield b"begun"
        raise AppError("in the middle")

    return StreamingResponse(parts())


@app.post("/upload")
async def upload(request: Request) -> dict[str, int]:
    """A body of unknown length; the response has ids of the app's own."""
    return {"bytes": len(await request.body())}


@app.get("/own-ids")
async def own_ids() -> JSONResponse:
    """Headers that the app sets itself."""
    return JSONResponse({}, headers={"X-Own": "kept", "Server-Timing": "db;dur=1", "X-Request-ID": "mine"})


@app.get("/threads")
def threads() -> dict[str, Any]:
    """A thread and a pool, what they log and what they raise."""
    seen: list[str] = []
    thread = threading.Thread(target=lambda: (LOG.info("in a thread"), seen.append("ran")), name="other")
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as pool:
        seen.append(str(pool.submit(pow, 2, 3).result()))
        seen.append(type(pool.submit(_raise).exception()).__name__)
    return {"seen": seen}


def _raise() -> None:
    raise AppError("in a pool")


@app.get("/lines")
def lines() -> dict[str, bool]:
    """Everything that can be asked of log lines."""
    LOG.info("%d", "not a number")
    LOG.warning("with a stack", stack_info=True)
    LOG.info("extra", extra={"order": {"nested": [1, 2]}, "trace_id": "mine"})
    logging.LoggerAdapter(LOG, {"order": 7}).info("adapted")
    QUEUED.info("queued %s", "line")
    record = QUEUE.get()
    for handler in LISTENERS:
        handler.handle(record)
    try:
        raise AppError("logged")
    except AppError:
        LOG.exception("an error")
        EVENTS.exception("an event's error", name="event")
        loguru_logger.opt(exception=False).error("an error")
        PRINTED.info("printed error", exc_info=True)
    return {"ok": True}


@app.get("/tasks/{name}")
def run_task(name: str) -> dict[str, Any]:
    """Publish a task and wait for what comes of it."""
    published = {"add": (add, (1, 2)), "fail": (fail, ()), "flaky": (flaky, ())}
    task, arguments = published[name]
    try:
        return {"result": task.apply_async(arguments).get(timeout=4, interval=0.002)}
    except AppError as error:
        return {"error": type(error).__name__, "text": str(error)}


@app.get("/eager/{name}")
def run_eagerly(name: str) -> dict[str, Any]:
    """Run a task here."""
    done = {"add": add, "fail": fail, "ignored": ignored, "rejected": rejected}[name].apply(
        (1, 2) if name == "add" else ()
    )
    return {"state": done.state, "result": repr(done.result)}


@app.websocket("/echo")
async def echo(socket: WebSocket) -> None:
    """Answer until the client leaves."""
    await socket.accept()
    try:
        while True:
            said = await socket.receive_text()
            LOG.info("said %s", said)
            await socket.send_text(said.upper())
            if said == "fail":
                raise ValueError("of the socket")
            if said == "close":
                await socket.close(4001)
                return
    except WebSocketDisconnect as left:
        SEEN.append(f"left {left.code}")


@app.websocket("/refused")
async def refused(socket: WebSocket) -> None:
    """Never accepted."""
    await socket.close()


async def answer_alone(method: str, path: str) -> Any:
    """An app that was made a moment ago, without a server."""
    alone = FastAPI()
    alone.get("/alone/{name}")(health)
    told: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        told.append(message)

    headers = [(b"host", b"shop.example:8080"), (b"user-agent", b"of its own")]
    given = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers, "scheme": "http"}
    await alone({**given, "client": ("10.0.0.1", 1), "http_version": "1.1"}, receive, send)
    return [told[0]["status"], told[1]["body"].decode()]
