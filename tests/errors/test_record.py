"""An exception is recorded once per request, whatever object it is."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context as context_api
from opentelemetry import trace

from otel_distro.context.work import CURRENT, Work
from otel_distro.errors.record import record_exception
from tests.conftest import Telemetry


@contextmanager
def request(request_id: str, parent: trace.Span | None = None) -> Iterator[trace.Span]:
    """A span of its own and work with this id, current together; in the trace of `parent`."""
    context = trace.set_span_in_context(parent) if parent else context_api.Context()
    span = trace.get_tracer("test").start_span("GET", context)
    token, work = context_api.attach(trace.set_span_in_context(span)), CURRENT.set(Work({"request_id": request_id}))
    yield span
    CURRENT.reset(work)
    context_api.detach(token)
    span.end()


def test_once_in_a_trace(telemetry: Telemetry) -> None:
    """A second time in the same request, also in a span below, emits nothing."""
    error = ValueError("once")
    with request("r-1") as outer:
        record_exception(error, "test")
        with request("r-1", outer):
            record_exception(error, "test")
    assert len(telemetry.logs()) == 1


def test_again_in_another_trace(telemetry: Telemetry) -> None:
    """The same object, raised for two requests, is recorded in both."""
    error = ValueError("constant")
    traces = []
    for number in (1, 2):
        with request(f"r-{number}") as span:
            record_exception(error, "test")
            traces.append(span.get_span_context().trace_id)
    assert [record.trace_id for record in telemetry.logs()] == traces


def test_again_in_another_request_of_the_same_trace(telemetry: Telemetry) -> None:
    """A caller that tries again within its trace makes a new request: recorded anew, with its own id."""
    error = ValueError("constant")
    with request("r-0") as caller:
        for number in (1, 2):
            with request(f"r-{number}", caller):
                record_exception(error, "test")
    assert [(record.fields or {})["request_id"] for record in telemetry.logs()] == ["r-1", "r-2"]


def test_a_recorded_exception_can_be_pickled(telemetry: Telemetry) -> None:
    """It crosses to another process as before: nothing of ours goes with it."""
    error = ValueError("sent")
    record_exception(error, "test")
    sent = pickle.dumps(error)
    assert b"otel_distro.errors" not in sent
    assert pickle.loads(sent).args == ("sent",)
