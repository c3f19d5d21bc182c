"""A local trace outlives its root by thirty seconds; then what still runs begins a new one."""

from __future__ import annotations

from collections.abc import Callable
from time import time_ns

import pytest
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import set_span_in_context

from otel_distro.context.work import CURRENT, Work, current_fields
from tests.pipeline.observed import SECOND, Observed

Make = Callable[..., Observed]
START = 1_700_000_000 * SECOND
NOTHING = ParentBased(TraceIdRatioBased(0.0))


@pytest.mark.parametrize(("after", "same"), [(0, True), (29, True), (31, False), (3600, False)])
def test_thirty_seconds_after_its_root_a_new_local_trace_begins(observed: Observed, after: int, same: bool) -> None:
    """Trace id and parent are what the context says; root and decision are new."""
    root = observed.request("/a", start=START, seconds=1)
    began = START + SECOND + after * SECOND
    late = observed.tracer("app").start_span("late", set_span_in_context(root), start_time=began)
    late.end(began + 1)
    assert (late.local is root.local, late.is_root) == (same, not same)
    assert (late.trace_id, late.parent_id) == (root.trace_id, root.span_id)
    assert observed.names() == ["GET /a", "late"]


def test_a_later_local_trace_has_an_outcome_of_its_own(observe: Make) -> None:
    """The failure of the request does not keep what its task does an hour later; nor the other way round."""
    observed = observe(sampler=NOTHING)
    for status in (500, 200):
        root = observed.request(f"/{status}", status, start=START, seconds=1)
        job = observed.start("/job", context=set_span_in_context(root), start=START + 3600 * SECOND)
        inner = observed.tracer("app").start_span("inner", set_span_in_context(job), start_time=START + 3601 * SECOND)
        inner.end(START + 3601 * SECOND)
        observed.answer(job, 200 if status == 500 else 500, START + 3601 * SECOND)
    assert observed.names() == ["GET /500", "inner", "GET /job"]


def test_a_long_root_keeps_its_local_trace(observe: Make) -> None:
    """An hour of work under an open root is one local trace: the grace begins at the root's end."""
    observed = observe(sampler=NOTHING)
    root = observed.start("/stream", start=START)
    child = observed.tracer("app").start_span("child", set_span_in_context(root), start_time=START + 3600 * SECOND)
    child.end(START + 3601 * SECOND)
    observed.answer(root, 500, START + 3602 * SECOND)
    assert observed.names() == ["child", "GET /stream"]


def test_a_span_may_end_long_after_its_root(observe: Make) -> None:
    """It belongs to the local trace in which it began, whatever it does meanwhile."""
    observed = observe(sampler=NOTHING)
    root = observed.start("/a", start=START)
    late = observed.tracer("app").start_span("late", set_span_in_context(root), start_time=START)
    observed.answer(root, 500, START + SECOND)
    late.set_attribute("still", "recording")
    late.end(START + 3600 * SECOND)
    names = {span.name: dict(span.attributes) for span in observed.spans()}
    assert names["late"] == {"still": "recording"}


def test_request_id_and_user_end_with_the_grace_too() -> None:
    """A log line of a forgotten task does not carry the user of a request long past."""
    work = Work({"request_id": "r1"})
    token = CURRENT.set(work)
    now = time_ns()
    work.end(now)
    assert dict(current_fields(now + 29 * SECOND)) == {"request_id": "r1"}
    assert dict(current_fields(now + 31 * SECOND)) == {}
    CURRENT.reset(token)
