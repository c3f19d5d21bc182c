"""Records to metric points: the derived metrics of the catalogue, aggregated once for all readers."""

from __future__ import annotations

import logging
from bisect import bisect_left
from threading import Lock
from time import time_ns
from typing import TYPE_CHECKING, Any

from otel_distro.semconv import METRICS
from otel_distro.semconv.attributes import EXEMPLAR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from otel_distro.pipeline.span import Span
    from otel_distro.record import Measurement
    from otel_distro.semconv import Metric

_logger = logging.getLogger("otel_distro")
Key = tuple[Any, ...]
OVERFLOW: Key = ("otel.metric.overflow",)
"""The key of the series that takes what is beyond the cardinality limit."""


def tell_overflow(name: str, limit: int, counts: Mapping[str, int]) -> None:
    """One line that names the label to look at; `counts`: how many values each label has."""
    worst = max(counts, key=lambda label: counts[label], default="")
    _logger.warning(
        "metric %s has %d series, the limit (OTEL_DISTRO_CARDINALITY_LIMIT): new ones are counted under "
        "otel.metric.overflow; the label with the most values is %s (%d)",
        name,
        limit,
        worst,
        counts.get(worst, 0),
    )


class Series:
    """One time series: count, sum and buckets since its start; exemplars of the interval by bucket."""

    __slots__ = ("counts", "exemplars", "high", "low", "started_ns", "total", "value")

    def __init__(self, buckets: int, started_ns: int) -> None:
        self.counts = [0] * (buckets + 1)
        self.total = 0.0
        self.value = 0
        self.low = float("inf")
        self.high = float("-inf")
        self.started_ns = started_ns
        self.exemplars: dict[int, Exemplar] = {}


class Exemplar:
    """The first exported trace of a bucket in an interval, fixed when it was aggregated."""

    __slots__ = ("span_id", "time_unix_nano", "trace_id", "value")

    def __init__(self, value: float, time_unix_nano: int, trace_id: int, span_id: int) -> None:
        self.value = value
        self.time_unix_nano = time_unix_nano
        self.trace_id = trace_id
        self.span_id = span_id


class Stream:
    """One metric under one view: its name, which of the declared attributes it keeps, its buckets, its series."""

    def __init__(self, metric: Metric, limit: int, started_ns: int) -> None:
        self.metric = metric
        self.name = metric.name
        self.description = metric.brief
        self.bounds: tuple[float, ...] = metric.buckets
        self.keep: tuple[int, ...] | None = None
        """Indexes of the attributes that the view keeps; None: all."""
        self.limit = limit
        self.started_ns = started_ns
        self.series: dict[Key, Series] = {}
        self.overflowed = 0

    @property
    def keys(self) -> tuple[str, ...]:
        """Attribute keys in the order of the series' key."""
        names = tuple(attribute.key for attribute in self.metric.attributes)
        return names if self.keep is None else tuple(names[index] for index in self.keep)

    def record(self, key: Key, value: float, now_ns: int) -> tuple[Series, int]:
        """Count a value; returns the series and the bucket it fell in."""
        if self.keep is not None:
            key = tuple(key[index] for index in self.keep)
        try:
            series = self.series.get(key)
        except TypeError:  # the app set a mapping where the catalogue has a name
            key = tuple(map(str, key))
            series = self.series.get(key)
        if series is None:
            series = self._new(key, now_ns)
        bucket = bisect_left(self.bounds, value)
        series.counts[bucket] += 1
        series.value += 1
        series.total += value
        series.low = min(series.low, value)
        series.high = max(series.high, value)
        return series, bucket

    def _new(self, key: Key, now_ns: int) -> Series:
        if len(self.series) >= self.limit and key != OVERFLOW:
            if not self.overflowed:
                self._name_the_offender()
            self.overflowed += 1
            known = self.series.get(OVERFLOW)
            if known is not None:
                return known
            key = OVERFLOW
        series = self.series[key] = Series(len(self.bounds), now_ns)
        return series

    def _name_the_offender(self) -> None:
        counts = {name: len({key[i] for key in self.series if key is not OVERFLOW}) for i, name in enumerate(self.keys)}
        tell_overflow(self.name, len(self.series), counts)


class Derivation:
    """How one stream reads its value and key from an ended span."""

    __slots__ = ("keys", "source", "stream")

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.keys = tuple(attribute.key for attribute in stream.metric.attributes)
        self.source = stream.metric.source.value if stream.metric.source else ""

    def value(self, span: Span) -> float | None:
        """The measured value; None when the span has none."""
        if self.source == "duration":
            return span.duration_ns / 1e9  # not * 1e-9: 0.3 s must be 0.3, which is a bucket's bound
        if self.source == "count":
            return 1
        found = span._attributes.get(self.source)  # noqa: SLF001
        return found if isinstance(found, (int, float)) else None


class Aggregator:
    """All streams of the derived and measured metrics. The pipeline thread records, readers collect; one lock."""

    def __init__(self, limit: int, metrics: Iterable[Metric] = METRICS, *, exemplars: bool = True) -> None:
        self.lock = Lock()
        self.limit = limit
        self._exemplars = exemplars
        self._metrics = [metric for metric in metrics if not metric.observable]
        self.streams: list[Stream] = []
        self._by_source: dict[tuple[str, int], list[Derivation]] = {}
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
            self._by_source.setdefault(key, []).append(Derivation(stream))

    def forget(self) -> None:
        """Drop all series, as in a forked child: its counts start at zero."""
        self.lock = Lock()
        now = time_ns()
        for stream in self.streams:
            stream.series = {}
            stream.overflowed = 0
            stream.started_ns = now

    def span(self, span: Span, *, exported: bool) -> None:
        """Derive what the catalogue derives from this span; an exported one may become the exemplar of its bucket."""
        derivations = self._by_source.get((span.tracer.scope.name, span._kind.value))  # noqa: SLF001
        if not derivations:
            return
        attributes = span._attributes  # noqa: SLF001
        get = attributes.get
        started, ended = span._start_time or 0, span._end_time or 0  # noqa: SLF001
        chosen = False
        for derivation in derivations:
            value = derivation.value(span)
            if value is None:
                continue
            series, bucket = derivation.stream.record(tuple(map(get, derivation.keys)), value, started)
            if exported and self._exemplars and bucket not in series.exemplars and derivation.stream.bounds:
                series.exemplars[bucket] = Exemplar(value, ended, span.trace_id, span.span_id)
                chosen = True
        if chosen:
            attributes[EXEMPLAR.key] = True

    def measure(self, measurement: Measurement) -> None:
        """Count one measurement under each stream of its metric."""
        now = time_ns()
        for stream in self._by_metric.get(measurement.metric.name, ()):
            stream.record(measurement.key, measurement.value, now)
