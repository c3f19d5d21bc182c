"""Several set-ups of the reference app in one process, called as ASGI without sockets, in alternating blocks.

`python inside.py ROUNDS RESULT` writes blocks (main thread, microseconds per request) and the CPU of the set-ups'
own threads. Only one set-up is switched on at a time; each block begins with requests that are not measured.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop
from setups import Bare, Ours, Setup, Upstream

BLOCK = 50
WARM = 20
HEALTH, CHAT, BOOM = range(3, BLOCK, 10), (7, 19, 31, 44), (25,)
"""Places in a block of what is not an item."""
CONNECTIONS = 16
PROMPT = b'{"prompt":"say hello"}'
IDLE = 3.0


def mix() -> list[tuple[str, str]]:
    """One turn of the request mix, as `wire load` sends it."""
    found = {place: ("GET", f"/items/{place}") for place in range(1, BLOCK + 1)}
    found.update(dict.fromkeys(HEALTH, ("GET", "/health")))
    found.update(dict.fromkeys(CHAT, ("POST", "/chat")))
    found.update(dict.fromkeys(BOOM, ("GET", "/boom")))
    return list(found.values())


def scope(method: str, path: str, port: int) -> dict[str, Any]:
    """What Uvicorn would pass."""
    headers = [(b"host", b"127.0.0.1:8000"), (b"user-agent", b"bench"), (b"accept", b"*/*")]
    if method == "POST":
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(PROMPT)).encode())]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", port),
        "scheme": "http",
        "method": method,
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "state": {},
        "headers": headers,
    }


async def call(app: Any, method: str, path: str, port: int) -> None:
    """One request."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": PROMPT if method == "POST" else b"", "more_body": False}

    async def send(_message: dict[str, Any]) -> None:
        pass

    try:
        await app(scope(method, path, port), receive, send)
    except RuntimeError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")


async def requests(app: Any, wanted: list[tuple[str, str]]) -> float:
    """Send them over 16 workers, each in a task of its own; returns seconds of CPU of this thread."""
    waiting = iter(wanted)

    async def worker(port: int) -> None:
        for method, path in waiting:
            await asyncio.create_task(call(app, method, path, port))

    start = time.thread_time()
    await asyncio.gather(*(worker(40000 + number) for number in range(CONNECTIONS)))
    return time.thread_time() - start


class Bench:
    """All set-ups, and what was measured."""

    def __init__(self, setups: list[Setup]) -> None:
        self.setups = setups
        self.blocks: dict[str, list[float]] = {setup.name: [] for setup in setups}
        self.requests = dict.fromkeys(self.blocks, 0)
        self.sent = dict.fromkeys(self.blocks, 0)
        self.on = dict.fromkeys(self.blocks, 0.0)
        self.mix = mix()

    async def block(self, setup: Setup, *, keep: bool = True) -> None:
        """One block: switched on, warm, measured, switched off."""
        began = time.monotonic()
        setup.on()
        await requests(setup.shop.app, self.mix[:WARM])
        taken = await requests(setup.shop.app, self.mix)
        setup.settle()
        setup.off()
        self.on[setup.name] += time.monotonic() - began
        self.requests[setup.name] += WARM + BLOCK
        self.sent[setup.name] += WARM + BLOCK
        if keep:
            self.blocks[setup.name].append(taken / BLOCK * 1e6)

    async def prepare(self) -> None:
        """Warm everything, and see which threads belong to whom."""
        for setup in self.setups:
            before = set(threading.enumerate()) - setup.threads
            for _ in range(3):
                await self.block(setup, keep=False)
            setup.flush()
            setup.threads |= set(threading.enumerate()) - before
        gc.collect()

    async def run(self, rounds: int) -> dict[str, Any]:
        """The rounds; the set-ups take turns in random order."""
        await self.prepare()
        self.requests, self.on = dict.fromkeys(self.requests, 0), dict.fromkeys(self.on, 0.0)
        idle = await self._idle()
        start, cpu = time.monotonic(), self._threads()
        for _ in range(rounds):
            for setup in random.sample(self.setups, len(self.setups)):
                await self.block(setup)
        for setup in self.setups:
            setup.flush()
        await asyncio.sleep(0.5)
        wall = time.monotonic() - start
        used = {name: seconds - cpu[name] for name, seconds in self._threads().items()}
        # Of the time in which others had their turn, and a server of its own would have had requests
        waited = {name: idle[name] * (wall - self.on[name]) for name in used}
        return {
            "blocks": self.blocks,
            "sent": self.sent,
            "thread_us": {name: max(0.0, used[name] - waited[name]) / self.requests[name] * 1e6 for name in used},
            "idle_us": {name: waited[name] / self.requests[name] * 1e6 for name in used},
        }

    def _threads(self) -> dict[str, float]:
        return {setup.name: setup.thread_cpu() for setup in self.setups}

    async def _idle(self) -> dict[str, float]:
        """What their threads use while nothing happens: it is no request's cost."""
        await asyncio.sleep(1.5)
        before = self._threads()
        await asyncio.sleep(IDLE)
        return {name: (seconds - before[name]) / IDLE for name, seconds in self._threads().items()}


def named(name: str) -> Setup:
    """The set-up of this name; `ours:asgi+sqlalchemy` is ours with these instrumentations only."""
    kind, _, parts = name.partition(":")
    if parts:
        return Ours(name, parts.split("+"))
    made: dict[str, Callable[[], Setup]] = {
        "bare": lambda: Bare(name),
        "ours": lambda: Ours(name),
        "ours_ratio_0.1": lambda: Ours(name, OTEL_TRACES_SAMPLER="otel_distro_ratio", OTEL_TRACES_SAMPLER_ARG="0.1"),
        "upstream": lambda: Upstream(name, grpc=True),
        "upstream_http": lambda: Upstream(name, grpc=False),
    }
    return made[kind]()


def with_threads(name: str) -> Setup:
    """A set-up that knows the threads it began with."""
    before = set(threading.enumerate())
    made = named(name)
    made.threads = set(threading.enumerate()) - before
    return made


def logs() -> None:
    """Lines on stderr, as the app has them."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)


async def main() -> dict[str, Any]:
    """Measure."""
    logs()
    bench = Bench([with_threads(name) for name in os.environ["BENCH_SETUPS"].split(",")])
    async with AsyncExitStack() as stack:
        for setup in bench.setups:
            await stack.enter_async_context(setup.shop.lifespan(setup.shop.app))
            setup.started()
        return await bench.run(int(sys.argv[1]))


if __name__ == "__main__":
    uvloop.install()
    Path(sys.argv[2]).write_text(json.dumps(asyncio.run(main())), "utf-8")
    os._exit(0)  # all was flushed; exporters' own exit handlers would only wait
