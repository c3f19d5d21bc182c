"""What the single parts of ours cost inside the reference app, where caches are cold: medians, by part.

`python parts.py REQUESTS RESULT`. Each call that is timed costs about 0.2 microseconds more, also that of a part within
another; the sum says what the profile of the whole can't: it is told apart by part, and a rare pause does not blur it.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import uvloop
from inside import logs, mix, requests
from setups import Ours

PARTS = {
    "path": {
        "request: begin": "instrumentation.asgi.server:begin",
        "request: response headers": "instrumentation.asgi.request:ServerRequest._answer",
        "request: exception": "instrumentation.asgi.request:ServerRequest.failed",
        "request: end": "instrumentation.asgi.request:ServerRequest.end",
        "statement": "instrumentation.sqlalchemy.queries:Watched._answered",
        "connection: borrowed": "instrumentation.sqlalchemy.pool:_borrowed",
        "log call": "logs.call:Call.leave",
        "httpx: begin": "instrumentation.httpx.attempt:Attempts.begin",
    },
    "thread": {
        "records, all": "pipeline.thread:Worker._process",
        "of which: derived metrics": "pipeline.aggregate:Aggregator.span",
        "of which: to exporters": "pipeline.lane:Lane.deliver",
        "console lines": "pipeline.lines:Lines.render",
        "console written": "pipeline.lines:Lines.print",
    },
}


class Timed:
    """Durations of one function, in nanoseconds."""

    def __init__(self, place: str) -> None:
        self.found: list[int] = []
        module, _, path = place.partition(":")
        *owners, name = path.split(".")
        owner = importlib.import_module(f"otel_distro.{module}")
        for step in owners:
            owner = getattr(owner, step)
        setattr(owner, name, self._around(getattr(owner, name)))

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        found = self.found

        def timed(*arguments: Any, **named: Any) -> Any:
            began = perf_counter_ns()
            try:
                return function(*arguments, **named)
            finally:
                found.append(perf_counter_ns() - began)

        return timed

    def line(self, requests: int) -> dict[str, float]:
        """Calls per request, the median of one, and both together."""
        if not self.found:
            return {"calls": 0.0, "median_us": 0.0, "us_per_request": 0.0}
        calls, median = len(self.found) / requests, statistics.median(self.found) / 1e3
        return {"calls": round(calls, 3), "median_us": round(median, 1), "us_per_request": round(calls * median, 1)}


async def main() -> dict[str, dict[str, dict[str, float]]]:
    """Send the mix; returns the parts of the request path and of the thread."""
    logs()
    timed = {side: {label: Timed(place) for label, place in parts.items()} for side, parts in PARTS.items()}
    ours = Ours("parts")
    async with ours.shop.lifespan(ours.shop.app):
        ours.started()
        ours.on()
        for _ in range(4):
            await requests(ours.shop.app, mix())
        ours.settle()
        for part in (*timed["path"].values(), *timed["thread"].values()):
            part.found.clear()
        turns = int(sys.argv[1]) // len(mix())
        for _ in range(turns):
            await requests(ours.shop.app, mix())
        ours.settle()
    sent = turns * len(mix())
    return {side: {label: part.line(sent) for label, part in parts.items()} for side, parts in timed.items()}


if __name__ == "__main__":
    uvloop.install()
    Path(sys.argv[2]).write_text(json.dumps(asyncio.run(main())), "utf-8")
    os._exit(0)
