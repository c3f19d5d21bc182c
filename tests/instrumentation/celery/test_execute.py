"""What running a task emits, and what the task can see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from threading import Event
from typing import Any

import pytest
from celery import Celery, chain, signals
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.instrumentation.celery import CeleryInstrumentor as UpstreamInstrumentor
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from otel_distro.context.work import CURRENT, Work, current_fields
from otel_distro.instrumentation.celery import CeleryInstrumentor
from tests.conftest import Telemetry


@contextmanager
def request(request_id: str) -> Iterator[ReadableSpan]:
    """As the web side is when it publishes: a server span is current, and work in hand."""
    token = CURRENT.set(Work({"request_id": request_id}))
    span = trace.get_tracer("web").start_span("POST /orders", kind=SpanKind.SERVER)
    here = context_api.attach(trace.set_span_in_context(span))
    yield span
    context_api.detach(here)
    CURRENT.reset(token)
    span.end()


def run(app: Celery, task: str, *args: Any, **options: Any) -> Any:
    """Publish a task and wait until its last run is over; its result, or its exception."""
    with finished(app, f"orders.{task}"):
        result = app.tasks[f"orders.{task}"].apply_async(args, **options)
    return result.result


@contextmanager
def finished(app: Celery, task: str) -> Iterator[None]:
    """Wait for the end of a run of this task that is not tried again.

    Our receiver is connected after the instrumentor's, so it hears of the end when the span has ended.
    """
    over = Event()

    def heard(state: str | None = None, **_signal: Any) -> None:
        if state != "RETRY":
            over.set()

    signals.task_postrun.connect(heard, sender=app.tasks[task], weak=False)
    yield
    assert over.wait(20)
    signals.task_postrun.disconnect(heard, sender=app.tasks[task])


def by_id(spans: list[ReadableSpan]) -> dict[int, ReadableSpan]:
    return {span.context.span_id: span for span in spans}


def test_web_publish_and_run_are_one_trace(worked: Celery, telemetry: Telemetry) -> None:
    """The run is a child of the publish, that of the request; the task sees trace and request id."""
    with request("r-1") as server:
        seen = run(worked, "pack", 7)
    [ran], [published] = telemetry.spans("run orders.pack"), telemetry.spans("publish orders.pack")
    assert ran.parent is not None
    assert ran.parent.span_id == published.context.span_id
    assert ran.context.trace_id == published.context.trace_id == server.context.trace_id
    assert seen["trace_id"] == f"{server.context.trace_id:032x}"
    assert seen["request_id"] == "r-1"


@pytest.mark.parametrize("caller", [CeleryInstrumentor, UpstreamInstrumentor], ids=["ours", "upstream"])
def test_a_run_may_be_linked_instead(worked: Celery, telemetry: Telemetry, caller: Any) -> None:
    """With `use_span_links` a run has a trace of its own that is linked to the publish; the request id is there."""
    if caller is CeleryInstrumentor:
        CeleryInstrumentor().configure({"use_span_links": True})
    else:
        caller().instrument(use_span_links=True)
    with request("r-7"):
        seen = run(worked, "pack", 7)
    [ran], [published] = telemetry.spans("run orders.pack"), telemetry.spans("publish orders.pack")
    assert ran.parent is None
    assert ran.context.trace_id != published.context.trace_id
    assert [link.context.span_id for link in ran.links] == [published.context.span_id]
    assert seen["trace_id"] == f"{ran.context.trace_id:032x}"
    assert seen["request_id"] == "r-7"


def test_a_run_is_one_consumer_span(worked: Celery, telemetry: Telemetry) -> None:
    """A run names task, queue, message and outcome, and carries the work's fields."""
    with request("r-2"), finished(worked, "orders.pack"):
        result = worked.tasks["orders.pack"].delay(7)
    [span] = telemetry.spans("run orders.pack")
    assert (span.kind, span.status.status_code) == (SpanKind.CONSUMER, StatusCode.UNSET)
    assert dict(span.attributes or {}) == {
        "messaging.system": "celery",
        "messaging.operation.name": "run",
        "messaging.operation.type": "process",
        "messaging.destination.name": "worked",
        "messaging.message.id": result.id,
        "celery.task.name": "orders.pack",
        "celery.task.outcome": "success",
        "request_id": "r-2",
    }


def test_a_failure_is_recorded_once(worked: Celery, telemetry: Telemetry) -> None:
    """A failing task gives an error span and one exception record, in that span and with the request's id."""
    with request("r-3"):
        run(worked, "pay", 3)
    [span] = telemetry.spans("run orders.pay")
    error = "tests.instrumentation.celery.orders.CardDeclinedError"
    assert (span.attributes or {})["celery.task.outcome"] == "failure"
    assert (span.attributes or {})["error.type"] == error
    assert span.status.status_code is StatusCode.ERROR
    [record] = [log for log in telemetry.logs() if log.event_name == "exception"]
    assert record.body == f"{error}: order 3"
    assert (record.trace_id, record.span_id) == (span.context.trace_id, span.context.span_id)
    assert (record.fields or {})["request_id"] == "r-3"
    assert "raise CardDeclinedError" in str((record.attributes or {})["exception.stacktrace"])


def test_an_unpicklable_failure_is_recorded_once(worked: Celery, telemetry: Telemetry) -> None:
    """An exception that Celery must replace before it can store it is recorded under its own name."""
    run(worked, "odd")
    [span] = telemetry.spans("run orders.odd")
    assert str((span.attributes or {})["error.type"]).endswith(".UnpicklableError")
    [record] = [log for log in telemetry.logs() if log.event_name == "exception"]
    assert str((record.attributes or {})["exception.type"]).endswith(".UnpicklableError")


def test_a_retry_is_no_error(worked: Celery, telemetry: Telemetry) -> None:
    """Runs that retry end as `retry` with status unset and count up; all are in the trace of the request."""
    with request("r-4") as server:
        assert run(worked, "price") == 2
    runs = telemetry.spans("run orders.price")
    assert [(s.attributes or {})["celery.task.outcome"] for s in runs] == ["retry", "retry", "success"]
    assert [(s.attributes or {}).get("celery.task.retries") for s in runs] == [None, 1, 2]
    assert {s.status.status_code for s in runs} == {StatusCode.UNSET}
    assert {s.context.trace_id for s in runs} == {server.context.trace_id}
    assert {(s.attributes or {})["request_id"] for s in runs} == {"r-4"}
    published = by_id(telemetry.spans("publish orders.price"))
    assert [s.parent is not None and s.parent.span_id in published for s in runs] == [True, True, True]
    assert not [log for log in telemetry.logs() if log.event_name == "exception"]


@pytest.mark.parametrize(
    ("task", "outcome", "status"),
    [
        ("ignore", "ignored", StatusCode.UNSET),
        ("reject", "rejected", StatusCode.UNSET),
        ("expected", "failure", StatusCode.ERROR),
    ],
)
def test_outcomes(worked: Celery, telemetry: Telemetry, task: str, outcome: str, status: StatusCode) -> None:
    """Ignored and rejected runs are no errors; an exception that `throws` names is one, but not recorded."""
    run(worked, task, *([1] if task == "expected" else []))
    [span] = telemetry.spans(f"run orders.{task}")
    assert (span.attributes or {})["celery.task.outcome"] == outcome
    assert span.status.status_code is status
    assert not [log for log in telemetry.logs() if log.event_name == "exception"]


def test_a_chain_is_one_trace(worked: Celery, telemetry: Telemetry) -> None:
    """Each step of a chain hangs under the step before, in the trace of the request."""
    steps = (
        worked.signature("orders.name_user", ("a",)),
        worked.signature("orders.pack", (2,), immutable=True),
    )
    with request("r-5") as server, finished(worked, "orders.pack"):
        chain(*steps).apply_async()
    [first], [second] = telemetry.spans("run orders.name_user"), telemetry.spans("run orders.pack")
    published = by_id(telemetry.spans("publish orders.pack"))
    assert second.parent is not None
    between = published[second.parent.span_id].parent
    assert between is not None
    assert between.span_id == first.context.span_id
    assert {first.context.trace_id, second.context.trace_id} == {server.context.trace_id}
    assert (second.attributes or {})["request_id"] == "r-5"


def test_what_a_task_binds_is_on_its_span(worked: Celery, telemetry: Telemetry) -> None:
    """`bind` in a task shows on the run's span and ends with the run."""
    with request("r-6"):
        run(worked, "name_user", "paid")
    seen = run(worked, "pack", 1)
    [span] = telemetry.spans("run orders.name_user")
    assert (span.attributes or {})["user.tier"] == "paid"
    assert seen["request_id"] is None
    assert "user.tier" not in (telemetry.spans("run orders.pack")[0].attributes or {})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"traceparent": "00-zz-bad", "otel_distro": "text"},
        {
            "traceparent": 7,
            "baggage": ["a"],
            "otel_distro": {"request_id": 5, "user.tier": "x" * 999, "own": "x"},
        },
    ],
)
def test_a_stranger_s_message_runs(worked: Celery, telemetry: Telemetry, headers: dict[str, Any]) -> None:
    """A message without our headers, or with broken ones, runs in a trace of its own."""
    suppressed = context_api.attach(context_api.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
    seen = run(worked, "pack", 1, headers=headers)
    context_api.detach(suppressed)
    assert seen["request_id"] is None
    [span] = telemetry.spans("run orders.pack")
    assert span.parent is None
    assert "user.tier" not in (span.attributes or {})


@pytest.mark.parametrize("protocol", [1, 2])
def test_both_protocols_keep_the_trace(worked: Celery, telemetry: Telemetry, protocol: int) -> None:
    """The run of a message in Celery's old protocol is in the publisher's trace, with its request id."""
    worked.conf.task_protocol = protocol
    with request("r-7") as server:
        seen = run(worked, "pack", 7)
    assert seen == {**seen, "trace_id": f"{server.context.trace_id:032x}", "request_id": "r-7"}


def test_a_revoked_task_has_its_outcome(worked: Celery, telemetry: Telemetry) -> None:
    """A task that expired before it ran is one run with outcome revoked, in the publisher's trace."""
    with request("r-8") as server:
        late = datetime.now(timezone.utc) - timedelta(seconds=5)
        worked.tasks["orders.pack"].apply_async((1,), expires=late)
        run(worked, "pack", 2)
    runs = telemetry.spans("run orders.pack")
    assert [(s.attributes or {})["celery.task.outcome"] for s in runs] == ["revoked", "success"]
    assert [(s.attributes or {})["request_id"] for s in runs] == ["r-8", "r-8"]
    assert {s.context.trace_id for s in runs} == {server.context.trace_id}


def test_a_run_without_postrun_is_ended_by_the_next(worked: Celery, telemetry: Telemetry) -> None:
    """Where a run's end was never told, the next run in that thread ends its span and starts clean."""
    task = worked.tasks["orders.pack"]

    def lose(sender: Any, **_signal: Any) -> None:
        signals.task_prerun.disconnect(lose, sender=task)
        signals.task_prerun.send(sender=task, task_id="lost", task=task, args=(), kwargs={})

    signals.task_prerun.connect(lose, sender=task, weak=False)
    with request("r-9"):
        run(worked, "pack", 1)
    seen = run(worked, "pack", 2)
    lost, first, second = telemetry.spans("run orders.pack")
    assert (lost.attributes or {})["error.type"] == "_OTHER"
    assert first.parent is not None
    assert second.context.trace_id != first.context.trace_id
    assert seen["request_id"] is None


class TestEager:
    """Tasks that run where they are called."""

    @pytest.fixture(autouse=True)
    def eager(self, app: Celery) -> None:
        """The application runs its tasks at once."""
        app.conf.task_always_eager = True

    def test_an_eager_run_hangs_under_its_caller(self, app: Celery, telemetry: Telemetry) -> None:
        """An eager run is a child of the caller's span; nothing was published, so no span says so."""
        with request("r-1") as server:
            seen = app.tasks["orders.pack"].delay(1).get()
        [span] = telemetry.spans("run orders.pack")
        assert span.parent is not None
        assert span.parent.span_id == server.context.span_id
        assert seen["request_id"] == "r-1"
        assert not telemetry.spans("publish orders.pack")

    def test_the_caller_s_context_is_as_before(self, app: Celery, telemetry: Telemetry) -> None:
        """After an eager run the caller has its own span and work; what the task bound is gone."""
        with request("r-1") as server:
            work = CURRENT.get()
            app.tasks["orders.name_user"].delay("paid")
            app.tasks["orders.pay"].delay(1)
            assert trace.get_current_span() is server
            assert CURRENT.get() is work
            assert dict(current_fields(0)) == {"request_id": "r-1"}

    def test_called_while_handling_an_error(self, app: Celery, telemetry: Telemetry) -> None:
        """An eager run inside an `except` block succeeds: that error is not its own."""
        try:
            int("none")
        except ValueError:
            app.tasks["orders.pack"].delay(1)
        [span] = telemetry.spans("run orders.pack")
        assert (span.attributes or {})["celery.task.outcome"] == "success"

    def test_a_propagated_failure(self, app: Celery, telemetry: Telemetry) -> None:
        """With `task_eager_propagates` the caller gets the exception, recorded once."""
        app.conf.task_eager_propagates = True
        with pytest.raises(Exception, match="order 1"):
            app.tasks["orders.pay"].delay(1)
        [span] = telemetry.spans("run orders.pay")
        assert (span.attributes or {})["celery.task.outcome"] == "failure"
        assert len([log for log in telemetry.logs() if log.event_name == "exception"]) == 1

    def test_an_eager_retry(self, app: Celery, telemetry: Telemetry) -> None:
        """Eager retries are runs of their own, and no errors."""
        app.tasks["orders.price"].delay()
        outcomes = [(s.attributes or {})["celery.task.outcome"] for s in telemetry.spans("run orders.price")]
        assert outcomes == ["retry", "retry", "success"]

    def test_an_exit_is_a_failure(self, app: Celery, telemetry: Telemetry) -> None:
        """A task that raises SystemExit fails, and the exit goes on."""
        with pytest.raises(SystemExit):
            app.tasks["orders.leave"].delay()
        [span] = telemetry.spans("run orders.leave")
        assert (span.attributes or {})["error.type"] == "SystemExit"
        assert (span.attributes or {})["celery.task.outcome"] == "failure"
