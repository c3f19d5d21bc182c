"""A new cumulative series begins with a zero, once, at a time that every store accepts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from opentelemetry.sdk.metrics._internal.point import Buckets
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_distro.exporter.metrics import ZeroPoints, encode_metrics
from tests.exporter.requests import RESOURCE, decoded

CUMULATIVE, DELTA = AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA
SECOND = 10**9


def number(start: int, now: int, value: float = 5, **attributes: Any) -> NumberDataPoint:
    """A point between these seconds."""
    return NumberDataPoint(attributes, start * SECOND, now * SECOND, value)


def counter(*points: NumberDataPoint, temporality: AggregationTemporality = CUMULATIVE, name: str = "m") -> Metric:
    """A monotonic sum."""
    return Metric(name, "", "", Sum(points, temporality, is_monotonic=True))


def export(zeros: ZeroPoints, *metrics: Metric, scope: str = "scope") -> list[Any]:
    """The points sent, in order."""
    part = ScopeMetrics(InstrumentationScope(scope), list(metrics), "")
    payload, _ = encode_metrics(MetricsData([ResourceMetrics(RESOURCE, [part], "")]), zeros)
    sent = decoded("metrics", payload).resource_metrics[0].scope_metrics[0].metrics
    return [point for metric in sent for point in getattr(metric, metric.WhichOneof("data")).data_points]


def seconds(points: list[Any]) -> list[tuple[int, float]]:
    """When, and what was the value."""
    return [(point.time_unix_nano // SECOND, point.as_int or point.as_double) for point in points]


def test_the_first_export_has_a_zero_at_the_series_start() -> None:
    """And the later ones have none."""
    zeros = ZeroPoints()
    assert seconds(export(zeros, counter(number(1000, 1060)))) == [(1000, 0), (1060, 5)]
    assert seconds(export(zeros, counter(number(1000, 1120, 6)))) == [(1120, 6)]


def test_what_promql_sees_is_the_traffic() -> None:
    """The increase over all samples is what was counted, the first value included."""
    zeros = ZeroPoints()
    exports = [export(zeros, counter(number(1000, now, count))) for now, count in ((1060, 3), (1120, 10))]
    samples = [value for points in exports for _, value in seconds(points)]
    assert sum(max(0.0, new - old) for old, new in pairwise(samples)) == 10


def test_a_later_series_begins_at_the_export_before() -> None:
    """An instrument of three hours ago with a new attribute set: its zero is not three hours old."""
    zeros = ZeroPoints()
    export(zeros, counter(number(1000, 12_000, a=1)))
    points = export(zeros, counter(number(1000, 12_060, a=1), number(1000, 12_060, a=2)))
    assert seconds(points) == [(12_060, 5), (12_000, 0), (12_060, 5)]


def test_a_series_of_a_long_span_begins_five_minutes_ago_at_most() -> None:
    """A task of an hour starts its series an hour ago; a store would refuse so old a sample."""
    assert seconds(export(ZeroPoints(), counter(number(1000, 4600)))) == [(4300, 0), (4600, 5)]


def test_a_series_that_starts_with_its_first_point_has_no_zero() -> None:
    """Not then, and not later, when it would come behind what was sent."""
    zeros = ZeroPoints()
    assert seconds(export(zeros, counter(number(1000, 1000)))) == [(1000, 5)]
    assert seconds(export(zeros, counter(number(1000, 1060)))) == [(1060, 5)]


@pytest.mark.parametrize(
    "metric",
    [
        counter(number(1000, 1060), temporality=DELTA),
        Metric("m", "", "", Sum([number(1000, 1060)], CUMULATIVE, is_monotonic=False)),
        Metric("m", "", "", Gauge([number(1000, 1060)])),
    ],
    ids=["delta", "up-down", "gauge"],
)
def test_only_what_counts_up_for_ever_has_a_zero(metric: Metric) -> None:
    """A delta, an up-down counter and a gauge mean something else by zero."""
    assert len(export(ZeroPoints(), metric)) == 1


def test_series_are_told_apart() -> None:
    """By scope, name and attributes: each has its own zero."""
    zeros = ZeroPoints()
    assert len(export(zeros, counter(number(1, 2)), counter(number(1, 2), name="n"))) == 4
    assert len(export(zeros, counter(number(1, 3)), scope="other")) == 2
    assert len(export(zeros, counter(number(1, 4, a=1), number(1, 4, a=(1, 2))))) == 4
    assert len(export(zeros, counter(number(1, 5)))) == 1


def test_a_histogram_s_zero_is_empty() -> None:
    """Same bounds, no counts, no range."""
    point = HistogramDataPoint({}, 1000 * SECOND, 1060 * SECOND, 3, 1.5, [1, 2, 0], [1.0, 2.0], 0.1, 1.2)
    zero, first = export(ZeroPoints(), Metric("m", "", "s", Histogram([point], CUMULATIVE)))
    assert (zero.count, zero.sum, list(zero.bucket_counts), zero.HasField("min")) == (0, 0, [0, 0, 0], False)
    assert (zero.explicit_bounds, zero.start_time_unix_nano) == (first.explicit_bounds, first.start_time_unix_nano)
    assert (first.count, list(first.bucket_counts)) == (3, [1, 2, 0])


def test_an_exponential_histogram_s_zero_is_empty() -> None:
    """Same scale, no counts, no range."""
    filled = Buckets(2, [1, 2])
    point = ExponentialHistogramDataPoint({}, 1000 * SECOND, 1060 * SECOND, 3, 1.5, 4, 0, filled, filled, 0, 0.1, 1.2)
    zero, first = export(ZeroPoints(), Metric("m", "", "s", ExponentialHistogram([point], CUMULATIVE)))
    assert (zero.count, zero.sum, zero.scale) == (0, 0, 4)
    assert not zero.HasField("positive")
    assert not zero.HasField("min")
    assert list(first.positive.bucket_counts) == [1, 2]
