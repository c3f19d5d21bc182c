"""Aggregated series as the SDK's data points, for each reader by its temporality."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import Counter, Exemplar, Histogram
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
)
from opentelemetry.sdk.metrics.export import Histogram as HistogramData

from otel_distro.pipeline.series import OVERFLOW
from otel_distro.semconv import Instrument

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.metrics.export import MetricReader

    from otel_distro.pipeline.series import Key, Series, Stream

_Before = tuple[int, float, tuple[int, ...], int]
"""What a delta reader saw last of a series: count, sum, buckets, time."""


class ReaderState:
    """What one reader needs between two collects: its temporality, and the last values when that is delta."""

    def __init__(self, reader: MetricReader) -> None:
        wanted = reader._instrument_class_temporality  # noqa: SLF001 - readers have no accessor
        self.temporality = {
            Instrument.HISTOGRAM: _of(wanted, Histogram),
            Instrument.COUNTER: _of(wanted, Counter),
        }
        self.before: dict[tuple[str, Key], _Before] = {}

    def delta(self, stream: Stream) -> bool:
        """Whether this stream goes to the reader as deltas."""
        return self.temporality.get(stream.metric.instrument) is AggregationTemporality.DELTA


def _of(wanted: Mapping[Any, AggregationTemporality], instrument: type) -> AggregationTemporality:
    for kind, temporality in wanted.items():
        if issubclass(kind, instrument):
            return temporality
    return AggregationTemporality.CUMULATIVE


def metric_of(stream: Stream, state: ReaderState, now_ns: int, pace: Callable[[], object]) -> Metric | None:
    """The stream's metric for one reader, or None when there is nothing to say; `pace` is called before each point."""
    delta = state.delta(stream)
    histogram = stream.metric.instrument is Instrument.HISTOGRAM
    points: list[Any] = []
    for key, series in list(stream.series.items()):
        pace()
        point = _point(stream, key, series, state if delta else None, now_ns)
        if point is not None:
            points.append(point)
    if not points:
        return None
    temporality = AggregationTemporality.DELTA if delta else AggregationTemporality.CUMULATIVE
    data = HistogramData(points, temporality) if histogram else Sum(points, temporality, is_monotonic=True)
    return Metric(stream.name, stream.description, stream.metric.unit, data)


def _point(
    stream: Stream, key: Key, series: Series, state: ReaderState | None, now_ns: int
) -> HistogramDataPoint | NumberDataPoint | None:
    count, total, counts, start = series.value, series.total, tuple(series.counts), series.started_ns
    low, high = series.low, series.high
    if state is not None:
        seen = state.before.get((stream.name, key))
        state.before[stream.name, key] = (count, total, counts, now_ns)
        if seen is not None:
            if seen[0] == count:
                return None
            count, total, start = count - seen[0], total - seen[1], seen[3]
            counts = tuple(new - old for new, old in zip(counts, seen[2], strict=True))
            low, high = inf, -inf  # those of all time say nothing of this interval; the SDK says "unknown" so
    attributes = _attributes(stream, key)
    if stream.metric.instrument is not Instrument.HISTOGRAM:
        return NumberDataPoint(attributes, start, now_ns, int(total) if total.is_integer() else total)
    return HistogramDataPoint(
        attributes,
        start,
        now_ns,
        count,
        total,
        counts,
        stream.bounds,
        low,
        high,
        _exemplars(series),
    )


def _exemplars(series: Series) -> list[Exemplar]:
    return [
        Exemplar({}, found.value, found.time_unix_nano, found.span_id, found.trace_id)
        for found in list(series.exemplars.values())
    ]


def _attributes(stream: Stream, key: Key) -> dict[str, Any]:
    if key is OVERFLOW:
        return {OVERFLOW[0]: True}
    return {name: value for name, value in zip(stream.keys, key, strict=True) if value is not None}
