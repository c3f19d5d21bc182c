"""What a request costs, counted: bytecodes of our code on either thread, records, and what waits between them."""

from __future__ import annotations

import gc
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from fastapi import FastAPI
from sqlalchemy import create_engine, text
from sqlalchemy.pool import StaticPool

from otel_distro import bind, config
from otel_distro.assembly import assemble
from otel_distro.instrumentation.asgi import AsgiInstrumentor
from otel_distro.instrumentation.logging import LoggingInstrumentor
from otel_distro.instrumentation.sqlalchemy import SqlalchemyInstrumentor
from otel_distro.record import HANDOVER
from tests.exporter.server import OtlpServer
from tests.instrumentation.asgi.scopes import ignore, receive_nothing, scope_of

OURS = ("otel_distro", "opentelemetry")
"""Packages whose bytecodes count: also what we call of the API is our cost."""
LOG = logging.Logger("shop", logging.INFO)
"""With no parent: pytest's handler on the root logger keeps all records."""


class Shop:
    """A FastAPI app with two queries and two log lines per request, under a pipeline whose thread does not run."""

    def __init__(self, server: OtlpServer, native: str = "auto") -> None:
        self._server = server
        settings = config.load(
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
                "OTEL_DISTRO_LOG_FORMAT": "json",
                "OTEL_DISTRO_NATIVE": native,
                "OTEL_DISTRO_SPOOL_MAX_BYTES": "0",
            }
        )
        self._before = config.use(settings), HANDOVER.sink
        self.pipeline = assemble(settings)
        self.worker = self.pipeline.worker
        self.worker.start = lambda: None  # type: ignore[method-assign]  # `settle` works in the test's own thread
        self.lines: list[bytes] = []
        console: Any = self.worker.outputs.console
        console.write = self.lines.extend
        HANDOVER.sink = self.worker
        self._instrumentors = (AsgiInstrumentor(), LoggingInstrumentor(), SqlalchemyInstrumentor())
        for instrumentor in self._instrumentors:
            instrumentor.instrument(
                tracer_provider=self.pipeline.tracer_provider, meter_provider=self.pipeline.meter_provider
            )
        self._handler = logging.StreamHandler(sys.__stderr__)  # in its place, lines of ours
        LOG.addHandler(self._handler)
        self.engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        self.app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
        self.app.get("/items/{number}")(self.item)

    async def item(self, number: int) -> dict[str, int]:
        """Two queries and two lines, for a user."""
        bind(user="u-4711")
        LOG.info("fetching item %s", number)
        with self.engine.connect() as connection:
            first = connection.execute(text("SELECT 1 AS one")).scalar_one()
            second = connection.execute(text("SELECT 2 AS two")).scalar_one()
        LOG.info("item fetched", extra={"item_id": number})
        return {"sum": first + second}

    async def request(self, number: int = 1) -> None:
        """One request."""
        headers = [(b"host", b"shop.test"), (b"user-agent", b"browser/1"), (b"x-request-id", b"r-%d" % number)]
        await self.app(scope_of(f"/items/{number}", headers=headers), receive_nothing, ignore)

    async def requests(self, count: int, first: int = 1) -> None:
        """Requests one after the other, each with a path and an id of its own."""
        self.worker._room = sys.maxsize
        for number in range(first, first + count):
            await self.request(number)

    def settle(self) -> None:
        """What the pipeline's thread would do."""
        self.worker.settle(float("inf"))

    def forget(self) -> None:
        """What was printed and delivered is looked at by nobody."""
        assert self.worker.flush(30_000)
        self.lines.clear()
        self._server.received.clear()

    @property
    def waiting(self) -> Counter[str]:
        """The records that wait, by class."""
        return Counter(type(record).__name__ for record in self.worker._buffer)

    def close(self) -> None:
        """All is as before."""
        for instrumentor in self._instrumentors:
            instrumentor.uninstrument()
        self.worker.shutdown(10_000)  # or its threads would send to whoever has the server's port next
        HANDOVER.sink = self._before[1]
        config.use(self._before[0])
        self.engine.dispose()
        LOG.removeHandler(self._handler)


class Bytecodes:
    """Counts the bytecodes that our packages execute in this thread while it is entered."""

    def __init__(self) -> None:
        self.by_code: Counter[CodeType] = Counter()

    def __enter__(self) -> Bytecodes:
        self._before = sys.gettrace()
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _call(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        if str(frame.f_globals.get("__name__")).partition(".")[0] not in OURS:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._count

    def _count(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
        if event == "opcode":
            self.by_code[frame.f_code] += 1
        return self._count

    @property
    def total(self) -> int:
        """All of them."""
        return self.by_code.total()

    def table(self, requests: int) -> str:
        """The functions with the most, per request: to see what a rise comes from."""
        rows = [
            f"{count / requests:8.1f} {code.co_filename.rpartition('/')[2]}:{code.co_firstlineno} {code.co_name}"
            for code, count in self.by_code.most_common(25)
        ]
        return "\n".join(rows)


@contextmanager
def untraced() -> Iterator[None]:
    """Coverage does not look on at what other tests cover: it doubles the time."""
    before = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(before)


@contextmanager
def collected_by_nobody() -> Iterator[None]:
    """The garbage collector does not run: when it does is by chance."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def tracked() -> int:
    """Objects that the garbage collector has to look at."""
    gc.collect()
    return len(gc.get_objects())
