"""Executors: a call has what was in hand at submit; the pool's threads have nothing of their own."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio.to_thread
import pytest

from otel_distro.context.work import CURRENT, Work, request_id
from otel_distro.instrumentation.threading import ThreadingInstrumentor
from otel_distro.semconv.attributes import REQUEST_ID
from tests.conftest import Telemetry
from tests.instrumentation.threading.conftest import say, seen


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """One thread for all calls."""
    with ThreadPoolExecutor(1, "pool") as made:
        yield made


class Failure(Exception):  # noqa: N818 - it is what a test raises
    """Unlike a builtin one, weakly referable."""


def fail() -> None:
    raise Failure


def nothing_in_hand(pool: ThreadPoolExecutor) -> bool:
    """What a call submitted outside of any request sees."""
    return contextvars.Context().run(pool.submit, seen).result()[:2] == (0, None)


async def test_a_requests_calls_belong_to_it(lines_and_spans: Callable[..., Any], pool: ThreadPoolExecutor) -> None:
    """submit(), map(), run_in_executor() and to_thread() carry the request's trace and id, once each."""

    async def endpoint() -> list[str]:
        loop = asyncio.get_running_loop()
        names = [pool.submit(say).result(), *pool.map(lambda _: say(), range(1))]
        return [*names, await loop.run_in_executor(pool, say), await loop.run_in_executor(None, say), await to_thread()]

    async def to_thread() -> str:
        await anyio.to_thread.run_sync(say)
        return await asyncio.to_thread(say)

    assert await lines_and_spans(endpoint) == ["order-7"] * 6


async def test_a_logger_in_an_executor(telemetry: Telemetry, lines_and_spans: Callable[..., Any]) -> None:
    """`run_in_executor(None, log.info, ...)` writes a line of the request."""
    from tests.instrumentation.threading.conftest import LOG

    async def endpoint() -> None:
        say()
        await asyncio.get_running_loop().run_in_executor(None, LOG.info, "by the logger itself")

    await lines_and_spans(endpoint)
    (line,) = telemetry.logs("by the logger itself")
    assert (line.fields or {})[REQUEST_ID.key] == "order-7"


def test_pool_threads_do_not_keep_the_last_context(work: Work, pool: ThreadPoolExecutor) -> None:
    """Neither the thread that a request's call made the pool start, nor one whose last call was a request's."""
    assert pool.submit(seen).result()[1:] == ("order-7", "pool_0")
    assert nothing_in_hand(pool)
    with pytest.raises(Failure):
        pool.submit(fail).result()
    assert nothing_in_hand(pool)


def test_each_call_has_its_own(pool: ThreadPoolExecutor, telemetry: Telemetry) -> None:
    """Calls of several requests, waiting for one thread, do not mix."""

    def request(name: str) -> Any:
        CURRENT.set(Work({REQUEST_ID.key: name}))
        return pool.submit(seen)

    gate = threading.Event()
    pool.submit(gate.wait)
    futures = [contextvars.Context().run(request, str(number)) for number in range(5)]
    gate.set()
    assert [future.result()[1] for future in futures] == ["0", "1", "2", "3", "4"]


def test_the_apps_variables_are_the_threads(work: Work, pool: ThreadPoolExecutor) -> None:
    """A context variable set in a pool's thread lasts there, and the submitter's is not carried."""
    mine: contextvars.ContextVar[str] = contextvars.ContextVar("mine", default="unset")
    token = mine.set("submitter's")
    assert pool.submit(mine.get).result() == "unset"
    pool.submit(mine.set, "thread's").result()
    assert pool.submit(mine.get).result() == "thread's"
    mine.reset(token)


def test_tracebacks_are_as_they_were(work: Work, pool: ThreadPoolExecutor) -> None:
    """The exception of a call has the frames that it has without us."""

    def frames() -> list[str]:
        error = pool.submit(fail).exception()
        assert error is not None
        return [frame.name for frame in traceback.extract_tb(error.__traceback__)]

    with_us = frames()
    ThreadingInstrumentor().uninstrument()
    assert frames() == with_us
    ThreadingInstrumentor().instrument()


def test_failed_calls_make_no_reference_cycles(work: Work, pool: ThreadPoolExecutor) -> None:
    """The exception of a call is gone as soon as nobody holds its future."""
    gc.disable()
    try:
        error = pool.submit(fail).exception()
        pool.submit(seen).result()  # the thread has let go of the call before
        gone = weakref.ref(error)
        del error
        assert gone() is None
    finally:
        gc.enable()


def test_callbacks_of_a_future_know_the_request(work: Work, pool: ThreadPoolExecutor) -> None:
    """They run in the pool's thread, with what the call had in hand."""
    gate, found = threading.Event(), []
    future = pool.submit(gate.wait)
    future.add_done_callback(lambda _: found.append(request_id()))
    gate.set()
    pool.submit(seen).result()
    assert found == ["order-7"]


def test_executors_imported_later_are_covered() -> None:
    """Switching on imports no executor; one that the app imports after it carries the work."""
    import subprocess

    script = """
import sys
from otel_distro.context.work import CURRENT, Work
from otel_distro.instrumentation.threading import ThreadingInstrumentor
late = "concurrent.futures.thread" not in sys.modules
ThreadingInstrumentor().instrument()
assert ("concurrent.futures.thread" not in sys.modules) == late
from concurrent.futures import ThreadPoolExecutor
CURRENT.set(Work({"x": "y"}))
with ThreadPoolExecutor(1) as pool:
    print(late, pool.submit(CURRENT.get).result().fields)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("True {'x': 'y'}\n", "")
