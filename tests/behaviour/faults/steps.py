"""What is done to the app, step by step, and what its users and its own code see of each."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from celery.contrib.testing.worker import start_worker
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.behaviour.faults.app import HERE, SEEN, answer_alone, app
from tests.behaviour.faults.lines import LINES
from tests.behaviour.faults.tasks import tasks

_OURS = {"x-request-id", "x-correlation-id", "server-timing", "access-control-expose-headers"}
_VARYING = {"date"}
_PATIENCE = 4

Step = Callable[[], Any]


class Served:
    """The app under uvicorn, and a worker for its tasks, in threads of this process."""

    def __init__(self) -> None:
        self._server = uvicorn.Server(
            uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False, lifespan="off")
        )
        self._thread = threading.Thread(target=self._server.run, name="uvicorn", daemon=True)
        self._worker = ExitStack()

    def __enter__(self) -> Served:
        self._thread.start()
        wait_for(lambda: self._server.started)
        HERE["url"] = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"
        self.renew()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._worker.close()

    def renew(self) -> None:
        """Another worker: a fault may have ended the one before."""
        before, self._worker = self._worker, ExitStack()
        with suppress(Exception):
            before.close()
        self._worker.enter_context(start_worker(tasks, pool="solo", perform_ping_check=False, shutdown_timeout=30))

    def run(self, name: str) -> str:
        """Do one step; all that was seen of it, as one text."""
        LINES.clear()
        SEEN.clear()
        try:
            answer = STEPS[name]()
        except Exception as error:  # noqa: BLE001 - what the user of a broken app sees
            answer = f"{type(error).__name__}: {error}"
        wait_for(lambda: not self._server.server_state.tasks)  # a background task, a socket's end
        return json.dumps({"answer": answer, "lines": sorted(LINES), "seen": sorted(SEEN)})


def wait_for(condition: Callable[[], Any]) -> None:
    """Wait until the condition holds, but not for ever."""
    deadline = time.monotonic() + _PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)


def _request(method: str, path: str, body: Any = None, **headers: str) -> Any:
    """Status, headers (but ours and the date) and body of an answer."""
    connection = http.client.HTTPConnection(urlsplit(HERE["url"]).netloc, timeout=_PATIENCE)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        shown = sorted((n.lower(), v) for n, v in answer.getheaders() if n.lower() not in _OURS | _VARYING)
        return [answer.status, shown, _read(answer)]
    finally:
        connection.close()


def _read(answer: http.client.HTTPResponse) -> str:
    try:
        return answer.read().decode()
    except http.client.IncompleteRead as broken:
        return f"{broken.partial.decode()} (broken off)"


def get(path: str, **headers: str) -> Step:
    """One GET request."""
    return lambda: _request("GET", path, **headers)


def _create() -> Any:
    return _request("POST", "/items", json.dumps({"name": "new"}), Content_Type="application/json")


def _upload() -> Any:
    return _request("POST", "/upload", iter([b"some", b"parts"]))


def _talk(*said: str) -> Any:
    heard: list[Any] = []
    with connect(
        HERE["url"].replace("http", "ws") + "/echo", open_timeout=_PATIENCE, close_timeout=_PATIENCE
    ) as socket:
        try:
            for text in said:
                socket.send(text)
                heard.append(socket.recv(timeout=_PATIENCE))
            if said[-1] != "hello":
                socket.recv(timeout=_PATIENCE)
        except ConnectionClosed as closed:
            heard.append(closed.rcvd.code if closed.rcvd else None)
    return heard


def _refused() -> Any:
    try:
        with connect(HERE["url"].replace("http", "ws") + "/refused", open_timeout=_PATIENCE):
            return "accepted"
    except InvalidStatus as refused:
        return refused.response.status_code


def _lifespan() -> Any:
    """As a server does it: both messages, and the app's answers to them."""
    told: list[str] = []

    async def live() -> None:
        asked = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

        async def receive() -> Any:
            return next(asked)

        async def send(message: Any) -> None:
            told.append(message["type"])

        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)

    asyncio.run(live())
    return told


_TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "baggage": "tier=gold"}
STEPS: dict[str, Step] = {
    "item": get("/items/1", X_Request_ID="given", User_Agent="tests", **_TRACE),
    "query": get("/items/2?token=secret&plain=1"),
    "invalid": get("/items/none"),
    "missing": get("/nothing"),
    "mounted": get("/mounted/name"),
    "create": _create,
    "conflict": get("/conflict"),
    "exhausted": get("/exhausted"),
    "fresh": get("/fresh"),
    "calls": get("/calls"),
    "health": get("/health"),
    "excluded": get("/excluded"),
    "handled": get("/handled"),
    "unhandled": get("/unhandled"),
    "stream": get("/stream"),
    "broken-stream": get("/broken-stream"),
    "upload": _upload,
    "method": lambda: _request("PROPFIND", "/items/1"),
    "own-ids": get("/own-ids", Origin="https://shop.example"),
    "threads": get("/threads"),
    "lines": get("/lines"),
    "task": lambda: [_request("GET", "/tasks/add"), _request("GET", "/tasks/add")],  # the second: its worker lives on
    "failing-task": get("/tasks/fail"),
    "retried-task": get("/tasks/flaky"),
    **{f"eager-{name}": get(f"/eager/{name}") for name in ("add", "fail", "ignored", "rejected")},
    "socket": lambda: _talk("hello", "close"),
    "left-socket": lambda: _talk("hello"),
    "failing-socket": lambda: _talk("fail"),
    "refused-socket": _refused,
    "lifespan": _lifespan,
    "alone": lambda: asyncio.run(answer_alone("GET", "/alone/name")),
}
