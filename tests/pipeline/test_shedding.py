"""When telemetry comes faster than it leaves: DEBUG goes first, then what was sampled out, errors last."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, time_ns
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import SpanKind

from otel_distro import config
from otel_distro.assembly import assemble
from otel_distro.exporter import Delivery
from otel_distro.pipeline.shedding import level_of
from otel_distro.record import LogRecord
from otel_distro.semconv import http
from tests.behaviour.cost import Bytecodes
from tests.e2e.waiting import wait_for
from tests.exporter.server import OtlpServer, Reply
from tests.pipeline.observed import Observed

Make = Callable[..., Observed]
DEBUG, INFO, WARNING, ERROR = 5, 9, 13, 17
SMALL = {"OTEL_DISTRO_BUFFER_BYTES": "1MiB"}
BIG = "x" * 10_000


def line(severity: int = INFO, body: str = BIG) -> LogRecord:
    """A log record."""
    return LogRecord(time_ns(), severity, str(severity), "app", body, console=False)


def access_lines(observed: Observed) -> list[LogRecord]:
    """The lines of requests that left."""
    return [record for record in observed.logs() if record.body == "request_completed"]


@contextmanager
def behind(observed: Observed, use: float) -> Iterator[None]:
    """The thread does not come to anything meanwhile, and the buffer is so full, of errors."""
    observed.worker.log(line(body="first"))
    observed.settle()
    with observed.pipeline.aggregator.lock:
        while observed.worker._overflow.use < use:
            observed.worker.log(line(ERROR))
        yield


@pytest.mark.parametrize(
    ("use", "expected"), [(0.3, {5, 9, 13, 17}), (0.6, {9, 13, 17}), (0.8, {9, 13, 17}), (0.92, {17}), (0.99, set())]
)
def test_lines_go_by_their_worth(observe: Make, use: float, expected: set[int]) -> None:
    """From half on DEBUG lines are dropped, near the end all but errors, at the end these."""
    observed = observe(SMALL)
    with behind(observed, use):
        for severity in (DEBUG, INFO, WARNING, ERROR):
            observed.worker.log(line(severity, f"of {severity}" + BIG))
    found = {record.severity_number for record in observed.logs() if record.body.startswith("of ")}
    assert found == expected
    lost = observed.pipeline.dropped()
    assert lost["logs", "shed"] + lost["logs", "buffer_full"] == 4 - len(expected)


@pytest.mark.parametrize(("use", "sampled_kept"), [(0.6, True), (0.8, True), (0.92, False)])
def test_spans_without_an_error_go_before_those_with_one(observe: Make, use: float, sampled_kept: bool) -> None:
    """Of a trace that was sampled out a span goes first, whatever it was; metrics count each request all the same."""
    observed = observe(SMALL)
    with behind(observed, use):
        observed.request("/fine")
        observed.request("/broken", 500)
    expected = {"GET /fine", "GET /broken"} if sampled_kept else {"GET /broken"}
    assert set(observed.names()) == expected
    counted = {point.attributes["http.route"]: point.count for point in observed.points(http.SERVER_DURATION.name)}
    assert counted == {"/fine": 1, "/broken": 1}
    lost, lines = observed.pipeline.dropped(), access_lines(observed)
    assert lost["traces", "shed"] == lost["logs", "shed"] == 2 - len(expected) == 2 - len(lines)


def test_a_full_buffer_loses_each_once(observe: Make) -> None:
    """A span and its line, one of each; what metrics would have had of it is one of theirs."""
    observed = observe(SMALL)
    with behind(observed, 0.97):
        for _ in range(100):
            observed.request("/out", 500)
    observed.settle()
    lost = observed.pipeline.dropped()
    for signal, arrived in (("traces", len(observed.spans())), ("logs", len(access_lines(observed)))):
        assert sum(lost[signal, cause] for cause in ("shed", "buffer_full")) + arrived == 100
    counted = sum(point.count for point in observed.points(http.SERVER_DURATION.name))
    assert lost["metrics", "buffer_full"] + counted == 100


def test_what_was_sampled_out_is_counted_and_no_more(observe: Make) -> None:
    """It does not wait for its root's outcome then, and has no line; below that level it does."""
    observed = observe(SMALL, sampler=TraceIdRatioBased(0))
    with behind(observed, 0.8):
        observed.request("/out", children=3)
    observed.settle()
    assert observed.pipeline.dropped()["traces", "shed"] == 4
    assert observed.pipeline.decider.bytes == 0
    assert [point.count for point in observed.points(http.SERVER_DURATION.name)] == [1]
    assert [record.body for record in observed.lines] == []


def test_the_least_worth_goes_first(observe: Make) -> None:
    """DEBUG lines, then spans that were sampled out, then INFO lines; each error stays, each request is counted."""
    rounds = 900
    observed = observe({"OTEL_DISTRO_BUFFER_BYTES": "4MiB"}, sampler=TraceIdRatioBased(0))
    with behind(observed, 0):
        for _ in range(rounds):
            observed.worker.log(line(DEBUG, BIG[:1000]))
            observed.worker.log(line(INFO, BIG[:1000]))
            observed.worker.log(line(ERROR, "wrong"))
            observed.request("/out")
    observed.settle()
    lost = observed.pipeline.dropped()
    app = [record for record in observed.logs() if record.scope == "app" and not record.body.startswith("first")]
    arrived = Counter(record.severity_number for record in app)
    spans = rounds - lost["traces", "shed"]
    assert 0 < arrived[DEBUG] < spans < arrived[INFO] < arrived[ERROR] == rounds
    of_requests = rounds - len(access_lines(observed))
    assert lost["logs", "shed"] == 2 * rounds - arrived[DEBUG] - arrived[INFO] + of_requests
    assert (lost["logs", "buffer_full"], lost["traces", "buffer_full"]) == (0, 0)
    assert [point.count for point in observed.points(http.SERVER_DURATION.name)] == [rounds]


def test_memory_is_bounded_in_bytes(observe: Make) -> None:
    """Forty megabytes of attributes and lines cost no more than the setting says, and are free again afterwards.

    So do the records at the buffer's head, which were not measured when they came.
    """
    observed = observe({"OTEL_DISTRO_BUFFER_BYTES": "8MiB"})
    tracemalloc.start()
    try:
        with behind(observed, 0):
            for number in range(2500):
                span = observed.tracer("app").start_span("big", kind=SpanKind.INTERNAL)
                span.set_attribute("text", f"{number}" + "y" * 8000)
                span.add_event("said", {"text": f"{number}" + "z" * 8000})
                span.end()
                observed.worker.log(line(ERROR, f"{number}" + "x" * 900))
            held, _ = tracemalloc.get_traced_memory()
        assert len(observed.worker._buffer) == 512
        assert 4 << 20 < held < 9 << 20
    finally:
        tracemalloc.stop()
    observed.settle()
    assert observed.worker.fullness == 0


def test_no_call_waits_under_load(observe: Make) -> None:
    """It waits for nobody: deciding what a record is worth takes a few hundred bytecodes of ours."""

    def cost() -> tuple[int, int]:
        with Bytecodes() as line_cost:
            for _ in range(50):
                observed.worker.log(line(INFO, "short"))
        with Bytecodes() as span_cost:
            for _ in range(50):
                observed.request("/")
        return line_cost.total // 50, span_cost.total // 50

    observed = observe(SMALL)
    observed.worker.start = lambda: None  # type: ignore[method-assign]  # the thread does not run
    cost()
    observed.worker._room = 1 << 20
    calm = cost()
    observed.worker._room = 0
    while observed.worker._overflow.use < 0.92:
        observed.worker.log(line(ERROR))
    loaded = cost()
    assert loaded[0] <= calm[0] + 250
    assert loaded[1] <= calm[1] + 600


def test_a_full_queue_takes_errors_only(observe: Make) -> None:
    """Also what could not be sent yet is bounded: as its queue fills, less is fed to it; and all when it is free."""
    observed = observe()
    exporter = observed._logs
    for use, expected in ((0.6, {9, 13, 17}), (0.95, {17}), (0.0, {5, 9, 13, 17})):
        exporter.delivery = Delivery(queue_use=use)
        exporter.items = []
        observed.worker.log(line(ERROR, "seals a batch"))
        observed.worker.flush(5000)
        for severity in (DEBUG, INFO, WARNING, ERROR):
            observed.worker.log(line(severity))
        observed.settle()
        assert {record.severity_number for record in exporter.items if record.body == BIG} == expected
    assert observed.pipeline.dropped()["logs", "shed"] == 4


def test_one_line_says_that_it_begins_and_one_that_it_is_over(observe: Make, complaints: list[str]) -> None:
    """However often the level changes meanwhile."""
    observed = observe(SMALL)
    with behind(observed, 0.95):
        pass
    observed.settle()
    worker: Any = observed.worker
    worker._shedding.look(3)
    worker._shedding.look(1)
    worker._shedding._quiet_until = 0
    worker._shedding.look(0)
    worker._shedding.look(0)
    about = [text for text in complaints if "memory for" in text]
    assert len(about) == 2
    assert "OTEL_DISTRO_BUFFER_BYTES) is scarce" in about[0]
    assert "suffices again" in about[1]


def test_errors_survive_a_collector_that_hangs(tmp_path: Path, server: OtlpServer) -> None:
    """Without a spool and with little memory: each error line arrives once it answers, whatever came besides."""
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
        "OTEL_EXPORTER_OTLP_TIMEOUT": "0.2",
        "OTEL_DISTRO_CACHE_DIR": str(tmp_path),
        "OTEL_DISTRO_SPOOL_MAX_BYTES": "0",
        "OTEL_DISTRO_BUFFER_BYTES": "2MiB",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "32",
    }
    server.replies = [Reply(503)]
    pipeline = assemble(config.load(settings))
    worker = pipeline.worker
    for number in range(100):
        for _ in range(20):
            worker.log(line(DEBUG, BIG[:2000]))
            worker.log(line(INFO, BIG[:2000]))
        worker.log(line(ERROR, f"error {number}"))
        if number % 10 == 0:
            assert pipeline.worker.settle(monotonic() + 10)
    wait_for(lambda: pipeline.dropped()["logs", "shed"] > 0, "lines that are dropped", 5)
    server.replies = [Reply()]
    wait_for(
        lambda: len({one.body.string_value for one in server.log_records() if one.severity_number == ERROR}) == 100,
        lambda: f"100 errors, not {len([one for one in server.log_records() if one.severity_number == ERROR])}",
        40,
    )
    assert pipeline.dropped()["logs", "queue_full"] == 0
    pipeline.shutdown(1000)


def test_levels_begin_where_they_are_said_to() -> None:
    """At a half, three quarters and nine tenths."""
    assert [level_of(use) for use in (0.0, 0.49, 0.5, 0.74, 0.75, 0.89, 0.9, 1.2)] == [0, 0, 1, 1, 2, 2, 3, 3]
