"""Metric data points become flat rows: number, histogram, exponential histogram and summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from otel_distro.viewer.rows import (
    SPAN_ID_BYTES,
    TRACE_ID_BYTES,
    Batch,
    Resource,
    Scope,
    as_json,
    attributes_of,
    integer,
    number,
    resource_of,
    scope_of,
    valid_id,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_RECORDED_VALUE = 1


class Series(NamedTuple):
    """A metric stream: one instrument with one set of attributes from one process."""

    name: str
    type: str
    unit: str
    temporality: int
    monotonic: bool
    description: str
    resource: Resource
    scope: Scope
    attributes: str


class ExemplarRow(NamedTuple):
    """A measurement with the span it was made in."""

    time_ns: int
    value: float | str
    trace_id: bytes
    span_id: bytes
    attributes: str


class PointRow(NamedTuple):
    """One data point with its series; `values` are value, count, sum, min, max and buckets (JSON) or None."""

    series: Series
    time_ns: int
    start_ns: int
    values: tuple[Any, ...]
    exemplars: tuple[ExemplarRow, ...]


def points(request: Any) -> Batch:
    """Flatten an ExportMetricsServiceRequest; points that record no value are left out."""
    batch = Batch()
    for group in request.resource_metrics:
        resource = resource_of(group.resource)
        for scoped in group.scope_metrics:
            scope = scope_of(scoped.scope)
            for metric in scoped.metrics:
                batch.points.extend(_metric_points(resource, scope, metric))
    return batch


def _metric_points(resource: Resource, scope: Scope, metric: Any) -> Iterator[PointRow]:
    kind = metric.WhichOneof("data")
    if kind is None:
        return
    data = getattr(metric, kind)
    temporality = getattr(data, "aggregation_temporality", 0)
    monotonic = getattr(data, "is_monotonic", False)
    for point in data.data_points:
        if point.flags & NO_RECORDED_VALUE:
            continue
        attributes = as_json(attributes_of(point.attributes))
        series = Series(
            metric.name,
            kind,
            metric.unit,
            temporality,
            monotonic,
            metric.description,
            resource,
            scope,
            attributes,
        )
        time_ns, start_ns = integer(point.time_unix_nano), integer(point.start_time_unix_nano)
        yield PointRow(series, time_ns, start_ns, _VALUES[kind](point), _exemplars(point))


def _number_values(point: Any) -> tuple[Any, ...]:
    return (_value(point), None, None, None, None, None)


def _histogram_values(point: Any) -> tuple[Any, ...]:
    buckets = {
        "bounds": [number(bound) for bound in point.explicit_bounds],
        "counts": [integer(count) for count in point.bucket_counts],
    }
    return (*_distribution(point), as_json(buckets))


def _exponential_values(point: Any) -> tuple[Any, ...]:
    buckets = {
        "scale": point.scale,
        "zero_count": integer(point.zero_count),
        "positive": {"offset": point.positive.offset, "counts": list(point.positive.bucket_counts)},
        "negative": {"offset": point.negative.offset, "counts": list(point.negative.bucket_counts)},
    }
    return (*_distribution(point), as_json(buckets))


def _summary_values(point: Any) -> tuple[Any, ...]:
    quantiles = {"quantiles": [[value.quantile, number(value.value)] for value in point.quantile_values]}
    return (None, integer(point.count), number(point.sum), None, None, as_json(quantiles))


_VALUES = {
    "gauge": _number_values,
    "sum": _number_values,
    "histogram": _histogram_values,
    "exponential_histogram": _exponential_values,
    "summary": _summary_values,
}


def _distribution(point: Any) -> tuple[Any, ...]:
    optional = [number(getattr(point, name)) if point.HasField(name) else None for name in ("sum", "min", "max")]
    return (None, integer(point.count), *optional)


def _value(point: Any) -> float | str:
    return point.as_int if point.WhichOneof("value") == "as_int" else number(point.as_double)


def _exemplars(point: Any) -> tuple[ExemplarRow, ...]:
    return tuple(
        ExemplarRow(
            integer(exemplar.time_unix_nano),
            _value(exemplar),
            exemplar.trace_id,
            exemplar.span_id,
            as_json(attributes_of(exemplar.filtered_attributes)),
        )
        for exemplar in getattr(point, "exemplars", ())
        if valid_id(exemplar.trace_id, TRACE_ID_BYTES) and valid_id(exemplar.span_id, SPAN_ID_BYTES)
    )
