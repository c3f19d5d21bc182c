"""Metrics on the wire are what upstream's encoder would send."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics as upstream
from opentelemetry.sdk.metrics import Exemplar
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
from tests.exporter.values import ATTRIBUTES, IDS, NANOS, TEXT

FLOATS = st.floats(allow_nan=False)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | FLOATS
COUNTS = st.integers(0, 2**63 - 1)
EXEMPLARS = st.lists(
    st.builds(
        lambda attributes, value, time, ids: Exemplar(attributes, value, time, ids and ids[1], ids and ids[0]),  # type: ignore[arg-type]
        ATTRIBUTES,
        NUMBERS,
        NANOS,
        st.none() | IDS,
    ),
    max_size=2,
)
TEMPORALITY = st.sampled_from([AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE])
NUMBER_POINTS = st.lists(
    st.builds(NumberDataPoint, ATTRIBUTES, NANOS, NANOS, NUMBERS, EXEMPLARS), min_size=1, max_size=3
)
RANGE = st.tuples(FLOATS, FLOATS).map(sorted)
HISTOGRAM_POINTS = st.lists(
    st.builds(
        lambda attributes, times, count, total, buckets, between, exemplars: HistogramDataPoint(
            attributes, *times, count, total, buckets, [float(n) for n in range(len(buckets) - 1)], *between, exemplars
        ),
        ATTRIBUTES,
        st.tuples(NANOS, NANOS),
        COUNTS,
        FLOATS,
        st.lists(COUNTS, min_size=1, max_size=5),
        RANGE,
        EXEMPLARS,
    ),
    min_size=1,
    max_size=3,
)
BUCKETS = st.builds(Buckets, st.integers(-(2**31), 2**31 - 1), st.lists(COUNTS, max_size=4))
EXPONENTIAL_POINTS = st.lists(
    st.builds(
        lambda attributes, times, counts, scale, buckets, between, exemplars: ExponentialHistogramDataPoint(
            attributes, *times, counts[0], 1.5, scale, counts[1], *buckets, 0, *between, exemplars
        ),
        ATTRIBUTES,
        st.tuples(NANOS, NANOS),
        st.tuples(COUNTS, COUNTS),
        st.integers(-10, 20),
        st.tuples(BUCKETS, BUCKETS),
        RANGE,
        EXEMPLARS,
    ),
    min_size=1,
    max_size=3,
)
DATA = (
    st.builds(Gauge, NUMBER_POINTS)
    | st.builds(Sum, NUMBER_POINTS, TEMPORALITY, st.booleans())
    | st.builds(Histogram, HISTOGRAM_POINTS, TEMPORALITY)
    | st.builds(ExponentialHistogram, EXPONENTIAL_POINTS, TEMPORALITY)
)


class NoZeroPoints(ZeroPoints):
    """None, as upstream has none."""

    def before(self, *_: Any) -> None:
        """Nothing comes before."""


def metrics_data(*metrics: Metric) -> MetricsData:
    """These metrics under one scope."""
    scope = InstrumentationScope("scope", "1", "https://schema.example/3", {"scope": True})
    return MetricsData(
        [ResourceMetrics(RESOURCE, [ScopeMetrics(scope, list(metrics), scope.schema_url or "")], RESOURCE.schema_url)]
    )


def without_starts_of_gauges(request: Any) -> Any:
    """Upstream's encoder leaves the start time of a gauge out; ours sends what the point says."""
    for metric in request.resource_metrics[0].scope_metrics[0].metrics:
        for point in metric.gauge.data_points:
            point.start_time_unix_nano = 0
    return request


@given(st.lists(st.builds(Metric, TEXT, TEXT, TEXT, DATA), max_size=3))
def test_metrics_are_what_upstream_would_send(metrics: list[Metric]) -> None:
    """Every field of every kind of point and exemplar decodes to the same as from upstream's encoder."""
    data = metrics_data(*metrics)
    payload, count = encode_metrics(data, NoZeroPoints())
    assert count == sum(len(metric.data.data_points) for metric in metrics)
    if metrics:
        assert without_starts_of_gauges(decoded("metrics", payload)) == upstream(data)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**30])
def test_a_sum_beyond_64_bits_is_a_double(value: int) -> None:
    """It is about right, instead of wrapped around."""
    data = metrics_data(
        Metric("m", "", "", Sum([NumberDataPoint({}, 0, 1, value)], AggregationTemporality.DELTA, is_monotonic=True))
    )
    (metric,) = decoded("metrics", encode_metrics(data, NoZeroPoints())[0]).resource_metrics[0].scope_metrics[0].metrics
    assert metric.sum.data_points[0].as_double == pytest.approx(value)


def test_a_range_that_was_not_recorded_is_left_out() -> None:
    """The SDK says infinity where minimum and maximum are unknown; OTLP says nothing."""
    point = HistogramDataPoint({}, 0, 1, 1, 1.0, [1], [], math.inf, -math.inf, [])
    data = metrics_data(Metric("m", "", "", Histogram([point], AggregationTemporality.DELTA)))
    (metric,) = decoded("metrics", encode_metrics(data, NoZeroPoints())[0]).resource_metrics[0].scope_metrics[0].metrics
    assert not metric.histogram.data_points[0].HasField("min")
