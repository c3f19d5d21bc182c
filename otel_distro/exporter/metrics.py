"""Metric data to OTLP protobuf (opentelemetry/proto/metrics/v1/metrics.proto), with the zero point of new series."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    NumberDataPoint,
    Sum,
)

from otel_distro.exporter.wire import (
    DOUBLE,
    FIXED64,
    attributes,
    field,
    request,
    resource,
    scope,
    text,
    varint,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.metrics.export import Metric, MetricsData

    Pace = Callable[[], object]

_OLDEST_ZERO_NS = 300 * 10**9


def at_once() -> None:
    """No pause."""


class ZeroPoints:
    """Remembers which cumulative series were exported: the first time, a zero point goes before.

    Without it the first value of a counter is invisible to PromQL's `increase()` (design decision 8). It stands where
    the series was surely zero: at its start, or at the export before when that came later, or when this process became
    the instance (the one before it may have counted until then); never so far back (a span of an hour starts its series
    an hour ago) that a store refuses it.
    """

    def __init__(self) -> None:
        self._seen: set[Any] = set()
        self._exported_ns = 0
        self._latest_ns = 0

    def begin(self, now_ns: int) -> None:
        """From now on this process is the instance that its series belong to."""
        self._exported_ns = now_ns

    def copy(self) -> ZeroPoints:
        """To be asked for what may never be sent."""
        made = ZeroPoints()
        made._seen, made._exported_ns, made._latest_ns = set(self._seen), self._exported_ns, self._latest_ns
        return made

    def exported(self) -> None:
        """All points of one export were asked for."""
        self._exported_ns = self._latest_ns

    def before(self, scope: str, metric: Metric, point: Any) -> Any | None:
        """The zero point to send before this one, or None."""
        data = metric.data
        monotonic = not isinstance(data, Gauge) and getattr(data, "is_monotonic", True)
        if not monotonic or data.aggregation_temporality is not AggregationTemporality.CUMULATIVE:  # type: ignore[union-attr]
            return None
        key = (scope, metric.name, frozenset((k, str(v)) for k, v in (point.attributes or {}).items()))
        now = point.time_unix_nano
        self._latest_ns = max(self._latest_ns, now)
        if key in self._seen:
            return None
        self._seen.add(key)
        when = max(point.start_time_unix_nano or now, self._exported_ns, now - _OLDEST_ZERO_NS)
        return _zero(point, when) if when < now else None


def _zero(point: Any, when: int) -> Any:
    if isinstance(point, NumberDataPoint):
        return dataclasses.replace(point, time_unix_nano=when, value=type(point.value)(0), exemplars=[])
    no_range: Any = {"min": None, "max": None}  # the SDK's annotation forbids what OTLP allows
    if isinstance(point, HistogramDataPoint):
        none = [0] * len(point.bucket_counts)
        return dataclasses.replace(
            point,
            time_unix_nano=when,
            count=0,
            sum=0.0,
            bucket_counts=none,
            exemplars=[],
            **no_range,
        )
    empty = dataclasses.replace(point.positive, bucket_counts=[])
    return dataclasses.replace(
        point,
        time_unix_nano=when,
        count=0,
        sum=0.0,
        zero_count=0,
        positive=empty,
        negative=empty,
        exemplars=[],
        **no_range,
    )


def encode_metrics(data: MetricsData, zeros: ZeroPoints, pace: Pace = at_once) -> tuple[bytes, int]:
    """An `ExportMetricsServiceRequest` and how many data points it holds; `pace` is called before each of them."""
    out, points = [], 0
    for one in data.resource_metrics:
        scopes = []
        for part in one.scope_metrics:
            encoded = []
            for metric in part.metrics:
                body, count = encode_metric(metric, zeros, part.scope.name, pace)
                points += count
                encoded.append(field(b"\x12", body))
            if encoded:
                tail = field(b"\x1a", text(part.schema_url)) if part.schema_url else b""
                scopes.append((scope(part.scope), *encoded, tail))
        out.append(request(resource(one.resource), scopes, one.schema_url))
    zeros.exported()
    return b"".join(out), points


def encode_metric(metric: Metric, zeros: ZeroPoints, scope_name: str, pace: Pace = at_once) -> tuple[bytes, int]:
    """The body of one `Metric` and how many data points it holds."""
    head = field(b"\x0a", text(metric.name)) + field(b"\x12", text(metric.description or ""))
    head += field(b"\x1a", text(metric.unit or ""))
    encode, tag = _SHAPES[type(metric.data)]
    points = []
    for point in metric.data.data_points:
        pace()
        zero = zeros.before(scope_name, metric, point)
        if zero is not None:
            points.append(field(b"\x0a", encode(zero)))
        points.append(field(b"\x0a", encode(point)))
    body = b"".join(points)
    if not isinstance(metric.data, Gauge):
        body += b"\x10" + varint(metric.data.aggregation_temporality.value)
    if isinstance(metric.data, Sum) and metric.data.is_monotonic:
        body += b"\x18\x01"
    return head + field(tag, body), len(points)


def _number(point: NumberDataPoint) -> bytes:
    shown = _value(b"\x31", b"\x21", point.value)
    return attributes(b"\x3a", point.attributes) + _times(point) + shown + _exemplars(b"\x2a", point.exemplars)


def _value(integer: bytes, double: bytes, value: float) -> bytes:
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return integer + value.to_bytes(8, "little", signed=True)
    return double + DOUBLE(value)


def _histogram(point: HistogramDataPoint) -> bytes:
    body = attributes(b"\x4a", point.attributes) + _times(point)
    body += b"\x21" + FIXED64(point.count) + b"\x29" + DOUBLE(point.sum)
    body += field(b"\x32", b"".join(map(FIXED64, point.bucket_counts)))
    body += field(b"\x3a", b"".join(map(DOUBLE, map(float, point.explicit_bounds))))
    return body + _exemplars(b"\x42", point.exemplars) + _range(b"\x59", b"\x61", point)


def _exponential(point: ExponentialHistogramDataPoint) -> bytes:
    body = attributes(b"\x0a", point.attributes) + _times(point)
    body += b"\x21" + FIXED64(point.count) + b"\x29" + DOUBLE(point.sum)
    body += b"\x30" + varint(_zigzag(point.scale)) + b"\x39" + FIXED64(point.zero_count)
    body += _buckets(b"\x42", point.positive) + _buckets(b"\x4a", point.negative)
    return body + _exemplars(b"\x5a", point.exemplars) + _range(b"\x61", b"\x69", point)


def _buckets(tag: bytes, buckets: Any) -> bytes:
    if not buckets.bucket_counts:
        return b""
    counts = b"".join(varint(count) for count in buckets.bucket_counts)
    return field(tag, b"\x08" + varint(_zigzag(buckets.offset)) + field(b"\x12", counts))


def _zigzag(number: int) -> int:
    return number * 2 if number >= 0 else -number * 2 - 1


def _times(point: Any) -> bytes:
    return b"\x11" + FIXED64(point.start_time_unix_nano or 0) + b"\x19" + FIXED64(point.time_unix_nano)


def _range(low: bytes, high: bytes, point: Any) -> bytes:
    if point.min is None or point.max is None or point.min > point.max:
        return b""
    return low + DOUBLE(point.min) + high + DOUBLE(point.max)


def _exemplars(tag: bytes, exemplars: Sequence[Any]) -> bytes:
    out = b""
    for one in exemplars:
        body = b"\x11" + FIXED64(one.time_unix_nano) + _value(b"\x31", b"\x19", one.value)
        body += attributes(b"\x3a", one.filtered_attributes)
        if one.trace_id and one.span_id:
            body += b"\x22\x08" + one.span_id.to_bytes(8, "big") + b"\x2a\x10" + one.trace_id.to_bytes(16, "big")
        out += field(tag, body)
    return out


_SHAPES: dict[type, Any] = {
    Gauge: (_number, b"\x2a"),
    Sum: (_number, b"\x3a"),
    Histogram: (_histogram, b"\x4a"),
    ExponentialHistogram: (_exponential, b"\x52"),
}
