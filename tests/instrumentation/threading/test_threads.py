"""Threads and timers: they begin with what was in hand where they were started, and are else as they were."""

from __future__ import annotations

import contextvars
import gc
import threading
import traceback
import weakref
from collections.abc import Callable
from time import time_ns
from typing import Any

import pytest
from opentelemetry import context as context_api
from opentelemetry import trace

from otel_distro.context.work import GRACE_NS, Work, request_id
from otel_distro.instrumentation.threading import ThreadingInstrumentor
from tests.conftest import Telemetry
from tests.instrumentation.threading.conftest import Seen, say, seen, started


class Subclass(threading.Thread):
    """As many applications make threads: by overriding run()."""

    def __init__(self, found: list[Seen]) -> None:
        super().__init__(name="mine")
        self.found = found

    def run(self) -> None:
        self.found.append(seen())


async def test_a_requests_threads_belong_to_it(lines_and_spans: Callable[..., Any]) -> None:
    """Lines and spans of a thread and of a timer, started in a request, carry its trace and its id."""

    async def endpoint() -> None:
        started(threading.Thread(target=say))
        started(threading.Timer(0, say))

    assert await lines_and_spans(endpoint) == ["order-7", "order-7"]


def test_a_subclass_that_overrides_run(work: Work) -> None:
    """Such a thread has what was in hand at start(), under its own name."""
    found: list[Seen] = []
    started(Subclass(found))
    assert found == [(trace.get_current_span().get_span_context().trace_id, "order-7", "mine")]


def test_without_anything_in_hand_nothing_is_done(telemetry: Telemetry) -> None:
    """A thread that no request started has neither span nor work, and no attribute of ours."""
    found: list[Seen] = []
    thread = Subclass(found)
    before = set(vars(thread))
    started(thread)
    assert found == [(0, None, "mine")]
    assert not [name for name in set(vars(thread)) - before if "otel" in name]


def test_other_variables_are_not_carried(work: Work) -> None:
    """A thread sees its own values of the app's context variables, as without us."""
    mine: contextvars.ContextVar[str] = contextvars.ContextVar("mine", default="unset")
    token = mine.set("starter's")
    found: list[str] = []
    started(threading.Thread(target=lambda: found.append(mine.get())))
    mine.reset(token)
    assert found == ["unset"]


def test_what_a_thread_does_stays_in_it(work: Work) -> None:
    """Contexts attached in a thread are not the starter's; and its end gives back what was handed over."""
    before = context_api.get_current()
    thread = threading.Thread(target=lambda: context_api.attach(context_api.set_value("key", "value")))
    started(thread)
    assert context_api.get_current() is before
    assert not any("otel" in name for name in vars(thread))


def test_exceptions_reach_the_hook_as_they_were(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """threading.excepthook gets the traceback without a frame of ours, and runs with the request in hand."""
    caught: list[tuple[list[str], str | None]] = []

    def hook(arguments: threading.ExceptHookArgs) -> None:
        frames = traceback.extract_tb(arguments.exc_traceback)
        caught.append(([frame.name for frame in frames], request_id()))

    def fail() -> None:
        raise LookupError

    monkeypatch.setattr(threading, "excepthook", hook)
    started(threading.Thread(target=fail))
    ThreadingInstrumentor().uninstrument()
    started(threading.Thread(target=fail))
    ThreadingInstrumentor().instrument()
    assert caught == [(caught[1][0], "order-7"), (caught[1][0], None)]


def test_a_thread_that_does_not_start_keeps_nothing(work: Work) -> None:
    """Started twice, a thread raises what it does without us, and does not hold the span."""
    thread = threading.Thread(target=seen)
    started(thread)
    with pytest.raises(RuntimeError, match="only be started once"):
        thread.start()
    assert not any("otel" in name for name in vars(thread))
    with pytest.raises(RuntimeError, match="not called"):
        threading.Thread.__new__(threading.Thread).start()


def test_a_finished_thread_holds_no_span(telemetry: Telemetry) -> None:
    """Though the app keeps the thread object, the span that it was started in can go."""
    thread = threading.Thread(target=seen)

    def request() -> weakref.ref[trace.Span]:
        span = trace.get_tracer("app").start_span("request")
        context_api.attach(trace.set_span_in_context(span))
        started(thread)
        return weakref.ref(span)

    gone = contextvars.Context().run(request)
    telemetry.clear()
    gc.collect()
    assert gone() is None
    assert not thread.is_alive()


class Thread314(threading.Thread):
    """As Python 3.14 runs a thread: in a context that start() makes unless it was given."""

    def __init__(self, found: list[Seen], context: contextvars.Context | None = None) -> None:
        super().__init__(name="mine")
        self._context = context
        self.found = found

    def run(self) -> None:
        assert self._context is not None
        self._context.run(lambda: self.found.append(seen()))


@pytest.mark.parametrize(("given", "request_id"), [(None, "order-7"), (contextvars.Context(), None)])
def test_threads_of_python_3_14(work: Work, given: contextvars.Context | None, request_id: str | None) -> None:
    """They get it in their own context; one that the app gives is left as it is."""
    found: list[Seen] = []
    started(Thread314(found, given))
    assert [name for _, name, _ in found] == [request_id]


def test_ended_work_is_carried_for_its_grace_only(work: Work) -> None:
    """A thread started 31 seconds after its request ended has no request id."""
    work.end(time_ns() - GRACE_NS - 10**9)
    found: list[str | None] = []
    started(threading.Thread(target=lambda: found.append(request_id())))
    assert found == [None]


@pytest.mark.parametrize("name", ["otel-distro", "otel-distro-traces"])
def test_our_own_threads_have_nothing_in_hand(work: Work, name: str) -> None:
    """The pipeline's threads serve all requests, whichever one happened to start them."""
    found: list[Seen] = []
    started(threading.Thread(target=lambda: found.append(seen()), name=name))
    assert found == [(0, None, name)]


def test_uninstrument_restores_the_methods() -> None:
    """Instrumented and uninstrumented twice, the classes of the standard library are as before."""
    from concurrent.futures.thread import _WorkItem

    instrumentor = ThreadingInstrumentor()
    instrumentor.uninstrument()
    before = dict(vars(threading.Thread)), dict(vars(_WorkItem))
    for _ in range(2):
        instrumentor.instrument()
        assert threading.Thread.start is not before[0]["start"]
        assert _WorkItem.run is not before[1]["run"]
        instrumentor.uninstrument()
        assert (dict(vars(threading.Thread)), dict(vars(_WorkItem))) == before
    instrumentor.instrument()
