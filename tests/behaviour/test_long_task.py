"""A task that runs for an hour: what it has finished is visible while it runs, and nothing piles up."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind

from otel_distro import config
from otel_distro.pipeline import Pipeline
from otel_distro.pipeline.thread import Outputs
from tests.in_memory import InMemoryExporter

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = 3600
SECOND = 10**9
PER_SECOND = 10
BUDGET = 64 * 1024


class Hour:
    """A pipeline with a small budget, and a task whose clock is simulated by given times."""

    def __init__(self, ratio: float) -> None:
        self.spans = InMemoryExporter()
        settings = config.load(
            {"OTEL_DISTRO_UNDECIDED_BYTES": str(BUDGET), "OTEL_METRICS_EXEMPLAR_FILTER": "always_off"}
        )
        self.pipeline = Pipeline(settings, Resource({}), own_instance_id=False)
        self.pipeline.build(Outputs([self.spans]), sampler=ParentBased(TraceIdRatioBased(ratio)))
        self.tracer = self.pipeline.tracer_provider.get_tracer("app")
        self.began = time_ns() - HOUR * SECOND
        self.task = self.tracer.start_span("run report", kind=SpanKind.CONSUMER, start_time=self.began)
        self._context = trace.set_span_in_context(self.task)

    def work(self, second: int) -> None:
        """What the task does in one second: a few finished spans."""
        at = self.began + second * SECOND
        for number in range(PER_SECOND):
            self.tracer.start_span(f"row {number}", context=self._context, start_time=at).end(at + 1000)
        assert self.pipeline.worker.flush(10_000)


@pytest.fixture
def hour(request: pytest.FixtureRequest) -> Iterator[Hour]:
    """The running task, kept by the given ratio."""
    made = Hour(request.param)
    yield made
    made.pipeline.shutdown(1000)


@pytest.mark.parametrize("hour", [1.0], indirect=True)
def test_what_a_long_task_finished_is_visible_while_it_runs(hour: Hour) -> None:
    """Each second's spans have left when the second is over, and nothing of them is held."""
    for second in range(0, HOUR, 10):
        hour.work(second)
        assert len(hour.spans.items) == (second // 10 + 1) * PER_SECOND
        assert hour.task.local.waiting is None
    assert hour.task.is_recording()


@pytest.mark.parametrize("hour", [0.0], indirect=True)
def test_an_undecided_long_task_stays_within_its_budget(hour: Hour) -> None:
    """Head-dropped spans wait for the outcome in a bounded budget; the oldest go first and are counted."""
    for second in range(0, HOUR, 10):
        hour.work(second)
        assert hour.pipeline.decider.bytes <= BUDGET
    hour.task.set_status(trace.StatusCode.ERROR)
    hour.task.end()
    hour.pipeline.worker.flush(10_000)
    lost = hour.pipeline.dropped()["traces", "undecided_budget"]
    assert lost > 0
    assert len(hour.spans.items) + lost == HOUR // 10 * PER_SECOND + 1
