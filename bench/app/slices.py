"""How long the pipeline's thread works between two pauses, in CPU of that thread (milliseconds).

`python slices.py REQUESTS RESULT`
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop
from inside import logs, mix, requests
from setups import Ours

from otel_distro.pipeline import pace


class Slices:
    """Wraps what the thread pauses by: `sleep` of its pace, and the wait for its condition."""

    def __init__(self) -> None:
        self.found: list[float] = []
        self._last: float | None = None

    def around(self, pause: Callable[..., Any]) -> Callable[..., Any]:
        """The same pause; what was used since the one before is a slice."""

        def paused(*arguments: Any) -> Any:
            if threading.current_thread().name != "otel-distro":
                return pause(*arguments)
            if self._last is not None:
                self.found.append((time.thread_time() - self._last) * 1e3)
            try:
                return pause(*arguments)
            finally:
                self._last = time.thread_time()

        return paused


async def main() -> dict[str, Any]:
    """Send the mix, with metrics collected every half second; returns the slices, and how often they were."""
    logs()
    ours, slices = Ours("slices", OTEL_METRIC_EXPORT_INTERVAL="500"), Slices()
    reader: Any = ours.pipeline.worker.outputs.reader
    collect, collections = reader.collect, []

    def counted() -> None:
        collections.append(time.monotonic())
        collect()

    reader.collect = counted
    async with ours.shop.lifespan(ours.shop.app):
        ours.started()
        ours.on()
        await requests(ours.shop.app, mix())
        changed: Any = ours.pipeline.worker._changed  # noqa: SLF001 - it has no hook for this
        changed.wait = slices.around(changed.wait)
        pace.sleep = slices.around(pace.sleep)  # type: ignore[attr-defined]
        for _ in range(int(sys.argv[1]) // len(mix())):
            await requests(ours.shop.app, mix())
        ours.settle()
    return {"slices": slices.found, "collections": len(collections)}


if __name__ == "__main__":
    uvloop.install()
    Path(sys.argv[2]).write_text(json.dumps(asyncio.run(main())), "utf-8")
    os._exit(0)
