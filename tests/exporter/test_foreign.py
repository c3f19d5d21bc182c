"""Somebody else's exporters: handed batches in order on a thread of their own, their failures counted."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from time import monotonic
from typing import Any

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_distro.exporter.foreign import ForeignExporter
from otel_distro.pipeline.span import Span
from otel_distro.pipeline.tracer import TracerProvider


def spans(*names: str) -> list[Span]:
    """Ended spans."""
    ended: list[Span] = []
    tracer = TracerProvider(take=ended.append, shutdown_on_exit=False).get_tracer("scope")
    for name in names:
        tracer.start_span(name).end()
    return ended


def export(exporter: SpanExporter, *names: str) -> ForeignExporter:
    """Spans of these names in one batch."""
    made = ForeignExporter("traces", exporter, 1 << 20)
    for span in spans(*names):
        made.add([span])
    made.seal()
    return made


def test_spans_arrive_in_order() -> None:
    """As readable spans, in one batch."""
    memory = InMemorySpanExporter()
    exporter = export(memory, "a", "b")
    assert exporter.flush(monotonic() + 10)
    assert [span.name for span in memory.get_finished_spans()] == ["a", "b"]
    assert (exporter.exports, exporter.dropped) == ({"success": 1}, {})
    exporter.shutdown(monotonic() + 1)


def test_a_slow_exporter_keeps_nobody_waiting() -> None:
    """The pipeline goes on while the exporter waits for its server; a flush gives up in time, and says so."""
    going, release = threading.Event(), threading.Event()

    class Slow(InMemorySpanExporter):
        def export(self, spans: Sequence[Any]) -> SpanExportResult:
            going.set()
            release.wait(10)
            return super().export(spans)

    memory = Slow()
    exporter = export(memory, "a")
    assert going.wait(10)
    began = monotonic()
    assert not exporter.flush(began + 0.2)
    assert monotonic() - began < 2
    release.set()
    assert exporter.flush(monotonic() + 10)
    assert len(memory.get_finished_spans()) == 1
    exporter.shutdown(monotonic() + 1)


def test_failures_are_counted() -> None:
    """Both the result FAILURE and an exception cost the batch only."""

    class Failing(SpanExporter):
        def export(self, spans: Sequence[Any]) -> SpanExportResult:
            if spans[0].name == "raise":
                raise RuntimeError("the exporter's own trouble")
            return SpanExportResult.FAILURE

    exporter = export(Failing(), "fail", "fail")
    exporter.add(spans("raise"))
    exporter.seal()
    assert exporter.flush(monotonic() + 10)
    assert (exporter.exports, exporter.dropped) == ({"failure": 2}, {"refused": 3})
    exporter.shutdown(monotonic() + 1)


def test_it_is_shut_down_once_all_is_exported() -> None:
    """What was taken before arrives, and then the exporter's own shutdown is called."""
    calls: list[str] = []

    class Telling(SpanExporter):
        def export(self, spans: Sequence[Any]) -> SpanExportResult:
            calls.extend(span.name for span in spans)
            return SpanExportResult.SUCCESS

        def shutdown(self) -> None:
            calls.append("shutdown")

    export(Telling(), "a").shutdown(monotonic() + 10)
    assert calls == ["a", "shutdown"]
