"""The worker: bounded, counted, in short slices, and nobody waits for it longer than they said."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, perf_counter, sleep, time_ns
from typing import Any

import pytest
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_distro.exporter.otlp import OtlpExporter
from otel_distro.exporter.sender import Sender
from otel_distro.pipeline.thread import Outputs
from otel_distro.record import LogRecord
from tests.e2e.waiting import wait_for
from tests.exporter.requests import RESOURCE, Kept
from tests.in_memory import InMemoryExporter
from tests.pipeline.observed import Observed

Make = Callable[..., Observed]


def line(body: str = "body", severity: int = 9, **more: Any) -> LogRecord:
    """A log record."""
    return LogRecord(time_ns(), severity, "INFO", "app", body, **more)


@contextmanager
def held(observed: Observed) -> Iterator[None]:
    """The pipeline thread can process nothing meanwhile."""
    with observed.pipeline.aggregator.lock:
        yield


def test_nothing_runs_before_the_first_record(observed: Observed) -> None:
    """Making a pipeline starts no thread; the first record does."""
    assert observed.worker._thread is None
    observed.worker.log(line())
    assert observed.worker._thread is not None
    assert observed.worker._thread.daemon


def test_a_full_buffer_drops_and_counts(observe: Make) -> None:
    """The newest are lost, by signal, and the self-metrics say so; memory does not grow. Metrics count the span."""
    observed = observe({"OTEL_DISTRO_BUFFER_BYTES": "1MiB"})
    observed.worker.log(line("first"))
    observed.settle()
    with held(observed):
        for _ in range(3000):
            observed.worker.log(line("many", console=False))
        root = observed.start("/lost")
        root.end()
        assert observed.worker.fullness < 1
    lost = observed.dropped()
    assert 1000 < lost["logs", "shed"] < 2000
    assert lost["traces", "shed"] == 1
    taken = {point.attributes["otel_distro.signal"]: point.value for point in observed.points("otel_distro.records")}
    assert taken["logs"] + lost["logs", "shed"] == 3002  # with the request's own line
    assert [point.count for point in observed.points("http.server.request.duration")] == [1]


def test_long_lines_count_by_their_length(observe: Make) -> None:
    """The buffer is bounded in bytes too, and free again once they are processed."""
    observed = observe({"OTEL_DISTRO_BUFFER_BYTES": "1MiB"})
    observed.worker.log(line("first"))
    observed.settle()
    for _ in range(2):
        with held(observed):
            before = observed.worker.dropped["logs", "buffer_full"]
            for _ in range(100):
                observed.worker.log(line("x" * 32_000, 17, console=False))
            assert 60 < observed.worker.dropped["logs", "buffer_full"] - before < 70
        observed.settle()


def test_a_line_that_finds_no_room_is_still_printed(observe: Make) -> None:
    """The console output that the app had is not lost, whatever the exporter does."""
    observed = observe({"OTEL_DISTRO_BUFFER_BYTES": "1MiB"})
    with held(observed):
        for number in range(2000):
            observed.worker.log(line(str(number)))
    wait_for(lambda: len(observed.lines) == 2000, lambda: f"all lines, not {len(observed.lines)}", 10)
    assert {record.body for record in observed.lines} == {str(number) for number in range(2000)}


def test_an_error_s_line_is_printed_at_once(observed: Observed) -> None:
    """Before the call returns, and once."""
    observed.worker.log(line("bad", 17))
    assert [record.body for record in observed.lines] == ["bad"]
    observed.settle()
    assert len(observed.lines) == 1


def test_lines_stay_in_order(observed: Observed) -> None:
    """What was logged before an error is printed before it, although the error does not wait."""
    for number in range(20):
        observed.worker.log(line(str(number), 17 if number % 7 == 6 else 9))
        if number % 7 == 6:
            assert [record.body for record in observed.lines] == [str(each) for each in range(number + 1)]
    observed.settle()
    assert [record.body for record in observed.lines] == [str(each) for each in range(20)]


def test_other_lines_are_printed_within_a_tenth_of_a_second(observed: Observed) -> None:
    """Not at once, but soon."""
    observed.worker.log(line())
    began = monotonic()
    wait_for(lambda: observed.lines, "the line", 5)
    assert monotonic() - began < 1


def test_a_record_that_cannot_be_encoded_is_counted(observe: Make) -> None:
    """A time that is none costs the span and nothing else."""
    observed, transport = observe(), Kept()
    observed.pipeline.build(Outputs([OtlpExporter(Sender("traces", transport, 1 << 20, 10), lambda: RESOURCE)]))
    observed.request("/good")
    span = observed.start("/bad")
    span.end(-5)
    observed.request("/good")
    assert observed.worker.flush(10_000)
    assert observed.pipeline.dropped()["traces", "encode"] == 1
    assert sum(payload.count(b"/good") for payload in transport.payloads) == 4


def test_a_burst_does_not_hold_the_interpreter(observe: Make) -> None:
    """While 50,000 records are processed and encoded, another thread gets the interpreter again and again."""
    observed, transport = observe({"OTEL_DISTRO_BUFFER_BYTES": "64MiB"}), Kept()
    exporter = OtlpExporter(Sender("traces", transport, 1 << 30, 10), lambda: RESOURCE)
    logs = OtlpExporter(Sender("logs", Kept(), 1 << 30, 10), lambda: RESOURCE)
    observed.pipeline.build(Outputs([exporter], [logs]))
    with held(observed):
        for _ in range(25_000):
            observed.request("/a")
            observed.worker.log(line("x" * 100, console=False))
    gaps = []
    while observed.worker.fullness:
        began = perf_counter()
        sleep(0.0005)
        gaps.append(perf_counter() - began)
    gaps.sort()
    assert observed.worker.dropped == {}
    assert gaps[len(gaps) // 2] < 2 * sys.getswitchinterval()
    assert gaps[-1] < 0.5


def test_who_waits_is_answered_under_steady_load(observe: Make) -> None:
    """Records that keep coming delay neither a flush nor the console for ever."""
    observed, going = observe(), threading.Event()

    def load() -> None:
        while not going.is_set():
            observed.worker.log(line("load"))

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: observed.worker.taken["logs"] > 1000, "some load", 10)
        before = len(observed.lines)
        assert observed.worker.flush(20_000)
        assert len(observed.lines) > before
    finally:
        going.set()
        for thread in threads:
            thread.join()


def test_a_batch_leaves_after_the_delay_or_when_it_is_full(observe: Make) -> None:
    """By the standard variables of the batch processor."""
    observed, transport = observe({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10", "OTEL_BSP_SCHEDULE_DELAY": "300"}), Kept()
    observed.pipeline.build(Outputs([OtlpExporter(Sender("traces", transport, 1 << 20, 10), lambda: RESOURCE)]))
    for _ in range(25):
        observed.request("/a")
    observed.settle()
    wait_for(lambda: len(transport.payloads) == 2, "two full batches", 5)
    wait_for(lambda: len(transport.payloads) == 3, "the rest", 5)


def test_what_is_logged_while_the_exporter_works_is_not_exported(observed: Observed) -> None:
    """It is printed only, so that nothing feeds itself."""
    observed.worker.log(line("ours", export=False))
    assert observed.logs() == []
    assert [record.body for record in observed.lines] == ["ours"]


def test_after_the_end_lines_are_printed_and_nothing_else(observe: Make) -> None:
    """A last word of the app is not lost."""
    observed = observe()
    observed.request("/a")
    observed.pipeline.shutdown(1000)
    observed.worker.log(line("last"))
    observed.request("/late")
    assert observed.lines[-1].body == "last"
    assert [span.name for span in observed._spans.items] == ["GET /a"]
    assert observed.worker.flush(1000)


def test_the_end_of_one_exporter_takes_no_time_of_another(observe: Make) -> None:
    """All end at the same time: one that hangs leaves the others the time to put on disk what they have."""
    together = threading.Barrier(2)

    class Ending(InMemoryExporter):
        def shutdown(self, deadline: float) -> None:
            together.wait(deadline - monotonic())
            self.items.append("ended")

    observed, exporters = observe(), (Ending(), Ending())
    observed.worker.use(Outputs(exporters[:1], exporters[1:]))
    observed.worker.shutdown(10_000)
    assert [exporter.items for exporter in exporters] == [["ended"], ["ended"]]


def test_a_span_processor_is_told_of_sampled_spans(observed: Observed) -> None:
    """Synchronously, on the app's thread, with a span that is still recording at its start."""
    seen: list[Any] = []

    class Telling(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            span.set_attribute("by", "processor")
            seen.append(("start", span.name, threading.current_thread()))

        def on_end(self, span: Any) -> None:
            seen.append(("end", span.name, span.attributes["by"]))

    observed.pipeline.tracer_provider.add_span_processor(Telling())
    observed.tracer("app").start_span("name").end()
    assert seen == [("start", "name", threading.current_thread()), ("end", "name", "processor")]
    assert observed.spans()[0].attributes["by"] == "processor"


@pytest.mark.parametrize("kind", [SimpleSpanProcessor, BatchSpanProcessor])
@pytest.mark.parametrize("end", ["flush", "shutdown", "provider"])
def test_the_app_s_own_processors_are_flushed_with_ours(observe: Make, kind: Any, end: str) -> None:
    """By the provider's `force_flush` as by the pipeline's end: they have no other."""
    observed, memory = observe(), InMemorySpanExporter()
    observed.pipeline.tracer_provider.add_span_processor(kind(memory))
    observed.request("/a")
    if end == "flush":
        assert observed.worker.flush(10_000)
    elif end == "shutdown":
        observed.pipeline.shutdown(10_000)
    else:
        assert observed.pipeline.tracer_provider.force_flush()
    assert [span.name for span in memory.get_finished_spans()] == ["GET /a"]
    observed.pipeline.shutdown(1000)


@pytest.mark.parametrize("which", ["tracer_provider", "meter_provider", "logger_provider"])
def test_every_provider_s_force_flush_flushes_the_pipeline(observe: Make, which: str) -> None:
    """What an app calls at the end of a job works as with the SDK."""
    from otel_distro.record import HANDOVER

    observed, transport = observe(), Kept()
    observed.pipeline.build(Outputs([OtlpExporter(Sender("traces", transport, 1 << 20, 10), lambda: RESOURCE)]))
    before, HANDOVER.sink = HANDOVER.sink, observed.worker
    observed.request("/a")
    assert getattr(observed.pipeline, which).force_flush(10_000)
    HANDOVER.sink = before
    assert len(transport.payloads) == 1


def test_without_a_thread_the_last_flush_works_by_itself(observe: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the interpreter's end no thread can be started any more (Python 3.12)."""
    from otel_distro.pipeline import thread

    class Refused(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(thread, "Thread", Refused)
    observed = observe()
    observed.request("/a")
    observed.pipeline.shutdown(1000)
    assert [span.name for span in observed._spans.items] == ["GET /a"]
