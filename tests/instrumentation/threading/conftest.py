"""Threads under our instrumentation, in a request or with a span and work of the test's own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry import trace

from otel_distro import config
from otel_distro.context.work import CURRENT, Work
from otel_distro.instrumentation.asgi import AsgiInstrumentor
from otel_distro.instrumentation.logging import LoggingInstrumentor
from otel_distro.instrumentation.threading import ThreadingInstrumentor
from otel_distro.semconv.attributes import REQUEST_ID
from tests.conftest import Telemetry

Seen = tuple[int, str | None, str]
LOG = logging.getLogger("shop.threads")


@pytest.fixture(autouse=True)
def _instrumented() -> Iterator[None]:
    ThreadingInstrumentor().instrument()
    yield
    ThreadingInstrumentor().uninstrument()


@pytest.fixture
def work(telemetry: Telemetry) -> Iterator[Work]:
    """A span and work in hand."""
    made = Work({REQUEST_ID.key: "order-7"})
    span = trace.get_tracer("app").start_span("request")
    token = CURRENT.set(made)
    with trace.use_span(span, end_on_exit=True):
        yield made
    CURRENT.reset(token)


def seen() -> Seen:
    """The trace, the request and the thread that this is called in."""
    work = CURRENT.get()
    trace_id = trace.get_current_span().get_span_context().trace_id
    return trace_id, work and work.request_id, threading.current_thread().name


def started(thread: threading.Thread) -> None:
    """Run it to its end."""
    thread.start()
    thread.join()


@pytest.fixture
def lines_and_spans(telemetry: Telemetry, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Serves one request; lines and spans that `say` made are in its trace, and their request ids are the answer."""
    before = config.use(config.load({})._replace(cache_dir=tmp_path))
    instrumentors = AsgiInstrumentor(), LoggingInstrumentor()
    for instrumentor in instrumentors:
        instrumentor.instrument()
    LOG.setLevel(logging.INFO)

    async def request(endpoint: Callable[..., Any]) -> list[str | None]:
        app = FastAPI()
        app.get("/")(endpoint)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
            answer = await client.get("/", headers={"X-Request-ID": "order-7"})
        assert answer.status_code == 200
        (root,) = telemetry.spans("GET /")
        lines = telemetry.logs("in a thread")
        spans = telemetry.spans("in a thread")
        assert len(lines) == len(spans) > 0
        assert {line.trace_id for line in lines} | {span.trace_id for span in spans} == {root.trace_id}
        assert {span.parent.span_id for span in spans if span.parent} == {root.span_id}
        return [(line.fields or {}).get(REQUEST_ID.key) for line in lines]

    yield request
    LOG.setLevel(logging.NOTSET)
    for instrumentor in instrumentors:
        instrumentor.uninstrument()
    config.use(before)


def say() -> str:
    """One line and one span; the answer is the thread's name."""
    LOG.info("in a thread")
    trace.get_tracer("app").start_span("in a thread").end()
    return threading.current_thread().name
