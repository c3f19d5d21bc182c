"""The one `telemetry` fixture: what the application's telemetry was, in memory, from our own pipeline."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource

from otel_distro import config
from otel_distro.native import extension
from otel_distro.pipeline import Pipeline
from otel_distro.pipeline.thread import Outputs
from otel_distro.record import HANDOVER
from tests.in_memory import InMemoryExporter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

    from otel_distro.pipeline.span import Span
    from otel_distro.record import LogRecord, Measurement


_EXEMPLARS_OFF = {"OTEL_METRICS_EXEMPLAR_FILTER": "always_off"}
"""The first span of each bucket would carry `otel_distro.exemplar`; tests of exemplars have a pipeline of their own."""


# Hypothesis' 200 ms for an example are wall time: they say how busy a machine is with much to do. What has
# to be noticed, an example on which code hangs or backtracks, takes minutes. All health checks are on.
settings.register_profile("patient", deadline=timedelta(seconds=20))
settings.load_profile("patient")


TRIED_AGAIN = "tried again"
"""The property of a test's report under which it says what had another try."""


class Telemetry:
    """Ended spans, log records and metric points since the test began, as the pipeline would export them."""

    def __init__(self) -> None:
        self._spans = InMemoryExporter()
        self._logs = InMemoryExporter()
        self._reader = InMemoryMetricReader()
        self.pipeline = Pipeline(config.load(_EXEMPLARS_OFF), Resource({"service.name": "test"}), own_instance_id=False)
        self.pipeline.build(Outputs([self._spans], [self._logs]), readers=[self._reader])
        self.pipeline.install()
        self._measurements: list[Measurement] = []

    def listen(self) -> None:
        """Take the hand-over of records."""
        HANDOVER.sink = self

    def log(self, record: LogRecord) -> None:
        """A record on its way to the pipeline."""
        self.pipeline.worker.log(record)

    def measure(self, measurement: Measurement) -> None:
        """A measurement on its way to the pipeline."""
        self._measurements.append(measurement)
        self.pipeline.worker.measure(measurement)

    def flush(self, timeout_millis: int) -> bool:
        """As the pipeline's."""
        return self.pipeline.worker.flush(timeout_millis)

    def settle(self) -> None:
        """Wait until all that was emitted is processed."""
        assert self.pipeline.worker.settle(monotonic() + 10, export=True)

    def clear(self) -> None:
        """Forget all; counters and histograms begin at zero."""
        self.settle()
        self._spans.items = []
        self._logs.items = []
        self._measurements = []
        self.pipeline.aggregator.forget()
        self.pipeline.decider.reset()
        self.pipeline.meter_provider._handle_fork()

    def spans(self, name: str | None = None) -> list[Span]:
        """Exported spans in the order of their ends, all or those of this name."""
        self.settle()
        return [span for span in self._spans.items if name in (None, span.name)]

    def logs(self, body: str | None = None) -> list[LogRecord]:
        """Log records in order, all or those with this body; access lines are among them."""
        self.settle()
        return [record for record in self._logs.items if body in (None, record.body)]

    def measurements(self, name: str) -> list[Measurement]:
        """Measurements handed over for this metric (not those derived from spans)."""
        return [item for item in self._measurements if item.metric.name == name]

    def points(self, name: str) -> list[Any]:
        """Data points of this metric as an SDK reader collects them now."""
        data = self._reader.get_metrics_data()
        scopes = [] if data is None else data.resource_metrics[0].scope_metrics
        return [
            point
            for scope in scopes
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where workers share the tests, the long ones begin."""
    if hasattr(config, "workerinput"):
        from tests.scheduling import long_ones_first

        long_ones_first(items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not checked, and what had another try: a green run must not hide it.

    Here, as a process that only leads workers reads no `conftest.py` of a folder below.
    """
    if extension() is None:
        text = "NOT CHECKED: the native encoders, which were not built or are off here (see docs/limits.md)"
        text += "; where nothing in C can be compiled, the allocations of a request, too"
        terminalreporter.write_line(text, yellow=True, bold=True)
    reports = [report for kind in terminalreporter.stats.values() for report in kind]
    properties = [pair for report in reports for pair in getattr(report, "user_properties", ())]
    for said in dict.fromkeys(value for name, value in properties if name == TRIED_AGAIN):
        terminalreporter.write_line(f"{TRIED_AGAIN}: {said}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """With several workers (`make test`), a file's tests stay together, and all that need the servers."""
    from tests.scheduling import ByServers

    return ByServers(config, log)


@pytest.fixture(scope="session")
def _telemetry() -> Telemetry:
    return Telemetry()


@pytest.fixture
def telemetry(_telemetry: Telemetry) -> Iterator[Telemetry]:
    """What the code under test emitted, in memory; empty at the start of each test."""
    _telemetry.listen()
    _telemetry.clear()
    yield _telemetry
    _telemetry.clear()
