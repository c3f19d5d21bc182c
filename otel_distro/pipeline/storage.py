"""The SDK's storage of measurements, with our limit of series in each view, found and collected in less time."""

from __future__ import annotations

from collections import Counter
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics._internal._view_instrument_match import _ViewInstrumentMatch
from opentelemetry.sdk.metrics._internal.metric_reader_storage import _DEFAULT_VIEW, MetricReaderStorage
from opentelemetry.sdk.metrics.view import DefaultAggregation, DropAggregation

from otel_distro.pipeline.series import OVERFLOW, tell_overflow
from otel_distro.semconv.own import SCOPE

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricReader
    from opentelemetry.sdk.metrics.view import View

_OVERFLOW: Mapping[str, Any] = {OVERFLOW[0]: True}
_OVERFLOWED: Hashable = OVERFLOW
_OWN_LIMIT = 2000
"""Of our own health, whose values the catalogue closes: whoever sets a small limit means the app's labels."""
_SHORTCUTS = 2
"""Times the limit: so many orders of attributes are known, as an app may give the same ones in several."""


class Storage(MetricReaderStorage):
    """What one reader collects from."""

    def __init__(self, sdk_config: Any, reader: MetricReader, limit: int, pace: Callable[[], object]) -> None:
        temporality: Any = reader._instrument_class_temporality  # noqa: SLF001 - as the SDK does
        aggregation: Any = reader._instrument_class_aggregation  # noqa: SLF001
        super().__init__(sdk_config, temporality, aggregation)
        self._limit = limit
        self._pace = pace

    def _handle_view_instrument_match(self, instrument: Any, view_instrument_matches: list[Any]) -> None:
        """Ours for each view that matches; for the default one when none does."""
        super()._handle_view_instrument_match(instrument, view_instrument_matches)
        views = [match._view for match in view_instrument_matches] or [_DEFAULT_VIEW]  # noqa: SLF001 - no accessors
        view_instrument_matches[:] = [self._viewed(view, instrument) for view in views]

    def _viewed(self, view: View, instrument: Any) -> Viewed:
        limit: int | None = getattr(view, "_aggregation_cardinality_limit", None)  # from 1.45.2 on
        if limit is None:
            limit = _OWN_LIMIT if instrument.instrumentation_scope.name == SCOPE else self._limit
        return Viewed(view, instrument, self._instrument_class_aggregation, limit, self._pace)


class Viewed(_ViewInstrumentMatch):
    """One instrument's measurements as one view wants them: an aggregation for each set of attributes that it keeps."""

    def __init__(self, view: View, instrument: Any, aggregations: Any, limit: int, pace: Callable[[], object]) -> None:
        super().__init__(view, instrument, aggregations)
        self._limit = limit
        self._pace = pace
        self._keys = view._attribute_keys  # noqa: SLF001 - views have no accessors
        self._is_dropped = isinstance(view._aggregation, DropAggregation)  # noqa: SLF001
        self._factory = view._aggregation  # noqa: SLF001
        if isinstance(self._factory, DefaultAggregation):
            self._factory = aggregations[instrument.__class__]
        self._series: dict[Hashable, Any] = self._attributes_aggregation  # type: ignore[assignment]
        self._shortcuts: dict[Any, Any] = {}

    def consume_measurement(self, measurement: Any, should_sample_exemplar: bool = True) -> None:  # noqa: FBT001, FBT002 - the SDK's signature
        """Aggregate a measurement; beyond the limit of series under the overflow attribute."""
        if self._is_dropped:
            return
        attributes = measurement.attributes or {}
        if self._keys is not None:
            attributes = {key: value for key, value in attributes.items() if key in self._keys}
        # In the order given, and with types: True, 1 and 1.0 are equal, and not the same
        shortcut = (*attributes.items(), *map(type, attributes.values()))
        try:
            aggregation = self._shortcuts.get(shortcut)
        except TypeError:  # a sequence or mapping
            aggregation = self._found(attributes)
        else:
            if aggregation is None:
                aggregation = self._found(attributes)
                if len(self._shortcuts) >= self._limit * _SHORTCUTS:
                    self._shortcuts.clear()
                self._shortcuts[shortcut] = aggregation
        aggregation.aggregate(measurement, should_sample_exemplar)

    def _found(self, attributes: Mapping[str, Any]) -> Any:
        key = frozenset((name, type(value), _hashable(value)) for name, value in attributes.items())
        found = self._series.get(key)
        if found is not None:
            return found
        with self._lock:
            if key not in self._series and len(self._series) >= self._limit:
                if _OVERFLOWED not in self._series:
                    self._tell()
                key, attributes = _OVERFLOWED, _OVERFLOW  # type: ignore[assignment]
            found = self._series.get(key)
            if found is None:
                reservoir = self._view._exemplar_reservoir_factory  # noqa: SLF001
                found = self._factory._create_aggregation(self._instrument, dict(attributes), reservoir, time_ns())  # noqa: SLF001
                self._series[key] = found
            return found

    def _tell(self) -> None:
        values: set[Any] = set().union(*self._series)  # type: ignore[arg-type]  # sets, until there is an overflow
        tell_overflow(self._name, self._limit, Counter(name for name, _, _ in values))

    def collect(
        self, collection_aggregation_temporality: AggregationTemporality, collection_start_nanos: int
    ) -> list[Any] | None:
        """The points, or None; the lock is not held meanwhile: who makes a new series need not wait."""
        with self._lock:
            series = list(self._series.values())
        points = []
        for one in series:
            self._pace()
            point = one.collect(collection_aggregation_temporality, collection_start_nanos)
            if point is not None:
                points.append(point)
        return points or None


def _hashable(value: Any) -> Hashable:
    return value if getattr(value, "__hash__", None) and not isinstance(value, tuple) else repr(value)
