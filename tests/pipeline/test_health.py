"""The pipeline's own health as metrics: what was delivered, what waits and where, how long exports and records take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from otel_distro import config
from otel_distro.assembly import assemble
from otel_distro.pipeline import Pipeline
from otel_distro.pipeline import lag as module
from otel_distro.pipeline.lag import Lag
from otel_distro.record import HANDOVER, LogRecord
from otel_distro.semconv import own
from tests.e2e.waiting import wait_for
from tests.exporter.server import OtlpServer, Reply
from tests.pipeline.observed import Observed

SIGNALS = {"traces", "metrics", "logs"}
SIGNAL, RESULT, CAUSE = own.SIGNAL.key, own.RESULT.key, own.CAUSE.key


class Process:
    """A pipeline as a process has it, and what it says of itself."""

    def __init__(self, folder: Path, endpoint: str, **environ: str) -> None:
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_DISTRO_SPOOL_DIR": str(folder), **environ}
        self.pipeline: Pipeline = assemble(config.load(settings))
        self.worker = self.pipeline.worker
        self._before, HANDOVER.sink = HANDOVER.sink, self.worker

    def end(self) -> None:
        """No more of it."""
        self.pipeline.shutdown(2000)
        HANDOVER.sink = self._before

    def export(self, spans: int) -> None:
        """End so many spans, and flush."""
        for _ in range(spans):
            self.pipeline.tracer_provider.get_tracer("app").start_span("work").end()
        self.worker.flush(5000)


def values(points: list[Any], *keys: str) -> dict[Any, Any]:
    """Value, or count, of each point by these attributes."""
    return {
        tuple(point.attributes[key] for key in keys): getattr(point, "value", None) or getattr(point, "count", 0)
        for point in points
    }


def points(pipeline: Pipeline, name: str) -> list[Any]:
    """The points of one metric, as they are now."""
    pipeline.worker.settle(monotonic() + 10)
    (reader,) = (one for one in pipeline.meter_provider.readers if isinstance(one, InMemoryMetricReader))
    scopes = reader.get_metrics_data().resource_metrics[0].scope_metrics  # type: ignore[union-attr]
    return [point for scope in scopes for one in scope.metrics if one.name == name for point in one.data.data_points]


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Process]]:
    """Makes them, each with a reader in memory besides its own."""
    build, made = Pipeline.build, list[Process]()

    def with_reader(pipeline: Pipeline, *args: Any, **kwargs: Any) -> None:
        build(pipeline, *args, **(kwargs | {"readers": [*kwargs.get("readers", ()), InMemoryMetricReader()]}))

    monkeypatch.setattr(Pipeline, "build", with_reader)

    def make(endpoint: str, **environ: str) -> Process:
        made.append(Process(tmp_path / "spool", endpoint, **environ))
        return made[-1]

    yield make
    for one in made:
        one.end()


def test_what_arrived_is_counted(processes: Callable[..., Process], server: OtlpServer) -> None:
    """Of twelve spans that were seen and kept, seven arrive; of the request that was refused nothing does."""
    server.replies = [Reply(), Reply(), Reply(400), Reply()]
    process = processes(server.url, OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none")
    process.export(3)
    process.export(4)
    process.export(5)
    exported = values(points(process.pipeline, own.EXPORTED.name), SIGNAL)
    assert exported == {("traces",): 7, ("metrics",): 0, ("logs",): 0}
    assert values(points(process.pipeline, own.RECORDS.name), SIGNAL)["traces",] == 12
    assert values(points(process.pipeline, own.KEPT.name), SIGNAL) == {("traces",): 12, ("metrics",): 0, ("logs",): 0}
    assert values(points(process.pipeline, own.DROPPED.name), SIGNAL, CAUSE)["traces", "refused"] == 5


def test_each_request_is_measured_by_its_result(processes: Callable[..., Process], server: OtlpServer) -> None:
    """How long it took: requests that were taken and requests that failed apart."""
    server.replies = [Reply(), Reply(400), Reply()]
    process = processes(server.url, OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none")
    process.export(1)
    process.export(1)
    found = values(points(process.pipeline, own.EXPORT_DURATION.name), SIGNAL, RESULT)
    assert found == {("traces", "success"): 1, ("traces", "failure"): 1}


def test_what_waits_on_disk_has_a_size_and_an_age(processes: Callable[..., Process], tmp_path: Path) -> None:
    """While the collector is down: the bytes of the files are the bytes said, and they grow older."""
    process = processes("http://127.0.0.1:9", OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none")
    process.export(10)
    written = sum(path.stat().st_size for path in tmp_path.rglob("*-*.*") if path.is_file())
    assert written > 0
    assert values(points(process.pipeline, own.SPOOL_SIZE.name), SIGNAL)["traces",] == written
    age = values(points(process.pipeline, own.SPOOL_AGE.name), SIGNAL)["traces",]
    wait_for(
        lambda: values(points(process.pipeline, own.SPOOL_AGE.name), SIGNAL)["traces",] > age,
        lambda: f"older than {age} s",
        5,
    )


def test_a_healthy_process_says_zero(observe: Callable[..., Observed]) -> None:
    """Every count and gauge is there before anything went wrong, for each signal."""
    observed = observe()
    for metric in (own.KEPT, own.EXPORTED, own.BUFFER_USE, own.SPOOL_SIZE, own.SPOOL_AGE):
        assert {point.attributes[SIGNAL] for point in observed.points(metric.name)} == SIGNALS, metric.name
        assert {point.value for point in observed.points(metric.name)} == {0}, metric.name


def test_a_full_buffer_reads_one(observe: Callable[..., Observed]) -> None:
    """The use says how near it is to dropping even errors."""
    observed = observe({"OTEL_DISTRO_BUFFER_BYTES": "1MiB"})
    observed.worker.start = lambda: None  # type: ignore[method-assign]  # the thread does not run
    error = LogRecord(1, 17, "ERROR", "app", "x" * 32_000, console=False)
    for expected in (0.25, 0.5, 0.75):
        for _ in range(8):
            observed.worker.log(error)
        assert observed.worker.fullness == pytest.approx(expected, rel=0.03)
    for _ in range(100):
        observed.worker.log(error)
    assert 0.7 < observed.worker.fullness <= 1
    assert observed.worker.dropped["logs", "buffer_full"] > 0


def test_a_thread_that_does_not_come_back_is_a_lag(observe: Callable[..., Observed]) -> None:
    """The lag grows while an exporter holds the pipeline's thread, and stays the longest afterwards."""
    observed = observe()
    held, go_on = Event(), Event()

    def add(items: Any) -> None:
        held.set()
        go_on.wait(10)

    observed._spans.add = add  # type: ignore[method-assign]
    observed.request()
    assert held.wait(10)
    wait_for(lambda: observed.worker.lag.seconds > 0.5, lambda: f"a lag, not {observed.worker.lag.seconds}", 5)
    go_on.set()
    observed.settle()
    (point,) = observed.points(own.LAG.name)
    assert point.value > 0.5


def test_the_longest_lag_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that of this minute and the one before."""
    now = [1000.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    lag = Lag()
    assert lag.seconds == 0
    seen = []
    for _ in range(4):
        lag.note(7.0 if not seen else 0.1)
        seen.append(lag.seconds)
        now[0] += 61
    lag.note(0.1)
    assert [*seen, lag.seconds] == [7.0, 7.0, 0.1, 0.1, 0.1]
