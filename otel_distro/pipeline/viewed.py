"""Views on the derived metrics: what they want of a stream, or the whole stream by the SDK where we can't."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.sdk.metrics.view import DefaultAggregation, DropAggregation, ExplicitBucketHistogramAggregation, View

from otel_distro.pipeline.series import Series, Stream
from otel_distro.semconv import Instrument

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.metrics import Meter

    from otel_distro.pipeline.series import Key

_OURS = (DefaultAggregation, DropAggregation, ExplicitBucketHistogramAggregation)
_NO_CONTEXT = Context()


def arranged(stream: Stream, views: Sequence[View], meter: Meter) -> list[Stream]:
    """The streams that a stream becomes by the views that match it."""
    metric = stream.metric
    histogram = metric.instrument is Instrument.HISTOGRAM
    named = (metric.name, metric.unit, metric.brief)
    instrument: Any = (
        meter.create_histogram(*named, explicit_bucket_boundaries_advisory=metric.buckets)
        if histogram
        else meter.create_counter(*named)
    )
    matching = [view for view in views if view._match(instrument)]  # noqa: SLF001 - the only matcher there is
    if not matching:
        return [stream]
    if not all(isinstance(view._aggregation, _OURS) for view in matching):  # noqa: SLF001 - views have no accessors
        return [Delegated(stream, instrument.record if histogram else instrument.add)]
    return [_viewed(stream, view) for view in matching if not isinstance(view._aggregation, DropAggregation)]  # noqa: SLF001


def _viewed(stream: Stream, view: View) -> Stream:
    """The stream as a view wants it: name, description, attribute keys, bucket boundaries."""
    made = Stream(stream.metric, stream.limit, stream.started_ns)
    made.name = view._name or stream.name  # noqa: SLF001 - views have no accessors
    made.description = view._description or stream.description  # noqa: SLF001
    keys = view._attribute_keys  # noqa: SLF001
    if keys is not None:
        made.keep = tuple(index for index, attribute in enumerate(stream.metric.attributes) if attribute.key in keys)
    aggregation = view._aggregation  # noqa: SLF001
    if isinstance(aggregation, ExplicitBucketHistogramAggregation):
        wanted = aggregation._boundaries  # noqa: SLF001
        made.bounds = stream.bounds if wanted is None else tuple(wanted)
    return made


class Delegated(Stream):
    """A stream that the SDK aggregates (exponential buckets, a sum, the last value), with all views that match it."""

    def __init__(self, stream: Stream, record: Callable[..., None]) -> None:
        super().__init__(stream.metric, stream.limit, stream.started_ns)
        self.bounds = ()
        self._record = record

    def find(self, key: Key, now_ns: int) -> Series:  # noqa: ARG002 - as any stream's
        """What passes values on; the SDK has the series."""
        attributes = {name: value for name, value in zip(self.keys, key, strict=True) if value is not None}
        return _Passing(attributes, self._record)


class _Passing(Series):
    """Looks like a series, and keeps nothing."""

    __slots__ = ("_attributes", "_record")

    def __init__(self, attributes: dict[str, Any], record: Callable[..., None]) -> None:
        super().__init__(0, 0)
        self._attributes = attributes
        self._record = record

    def add(self, value: float, bounds: tuple[float, ...]) -> int:  # noqa: ARG002 - as any series'
        """Record by the SDK, in no context: this is the pipeline's thread."""
        self._record(value, self._attributes, _NO_CONTEXT)
        return 0
