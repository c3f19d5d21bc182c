"""Records to metric points: the derived metrics of the catalogue, aggregated once for all readers."""

from __future__ import annotations

from threading import Lock
from time import time_ns
from typing import TYPE_CHECKING, Any

from otel_distro.pipeline.derivation import Derivations
from otel_distro.pipeline.series import Exemplar, Stream
from otel_distro.semconv import METRICS
from otel_distro.semconv.attributes import EXEMPLAR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from otel_distro.pipeline.span import Span
    from otel_distro.record import Measurement
    from otel_distro.semconv import Metric


class Aggregator:
    """All streams of the derived and measured metrics. The pipeline thread records, readers collect; one lock."""

    def __init__(self, limit: int, metrics: Iterable[Metric] = METRICS, *, exemplars: bool = True) -> None:
        self.lock = Lock()
        self.limit = limit
        self._exemplars = exemplars
        self._metrics = [metric for metric in metrics if not metric.observable]
        self.streams: list[Stream] = []
        self._by_source: dict[tuple[str, int], Derivations] = {}
        self._by_metric: dict[str, list[Stream]] = {}
        self.arrange(lambda stream: [stream])

    def arrange(self, view: Callable[[Stream], list[Stream]]) -> None:
        """Make the streams anew, each metric's as the views want it; what was counted is forgotten."""
        now = time_ns()
        self.streams = []
        self._by_source = {}
        self._by_metric = {}
        for metric in self._metrics:
            for stream in view(Stream(metric, self.limit, now)):
                self._add(metric, stream)

    def _add(self, metric: Metric, stream: Stream) -> None:
        self.streams.append(stream)
        self._by_metric.setdefault(metric.name, []).append(stream)
        if metric.source is not None:
            key = (metric.source.scope, int(metric.source.kind))
            self._by_source.setdefault(key, Derivations()).add(stream)

    def forget(self) -> None:
        """Drop all series, as in a forked child: its counts start at zero."""
        self.lock = Lock()
        for derivations in self._by_source.values():
            derivations.forget()
        now = time_ns()
        for stream in self.streams:
            stream.series = {}
            stream.overflowed = 0
            stream.started_ns = now

    def span(self, span: Span, *, exported: bool) -> None:
        """Derive what the catalogue derives from this span; an exported one may become the exemplar of its bucket."""
        derivations = self._by_source.get((span.tracer.scope.name, span._kind._value_))  # noqa: SLF001
        if derivations is None:
            return
        attributes, started, ended = span._attributes, span._start_time, span._end_time or 0  # noqa: SLF001
        exported = exported and self._exemplars
        chosen = False
        for slot in derivations.slots(attributes):
            source = slot.source
            if source == "duration":
                value: Any = (ended - started) / 1e9  # not * 1e-9: 0.3 s is a bucket's bound
            elif source == "count":
                value = 1
            else:
                value = attributes.get(source)
                if not isinstance(value, (int, float)):
                    continue
            series = slot.series or slot.made(started)
            bucket = series.add(value, slot.bounds)
            if exported and bucket not in series.exemplars and slot.bounds:
                series.exemplars[bucket] = Exemplar(value, ended, span.trace_id, span.span_id)
                chosen = True
        if chosen:
            span.mark(EXEMPLAR.key)

    def measure(self, measurement: Measurement) -> None:
        """Count one measurement under each stream of its metric."""
        now = time_ns()
        for stream in self._by_metric.get(measurement.metric.name, ()):
            stream.find(measurement.key, now).add(measurement.value, stream.bounds)
