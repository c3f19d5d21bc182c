"""Time series of one metric: counts, sums and buckets since their start, and the exemplars of an interval."""

from __future__ import annotations

import logging
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

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

    __slots__ = ("counts", "exemplars", "high", "low", "overflow", "started_ns", "total")

    def __init__(self, buckets: int, started_ns: int) -> None:
        self.counts = [0] * (buckets + 1)
        self.total = 0.0
        self.low = float("inf")
        self.high = float("-inf")
        self.started_ns = started_ns
        self.exemplars: dict[int, Exemplar] = {}
        self.overflow = False
        """Whether it takes what is beyond the cardinality limit."""

    @property
    def value(self) -> int:
        """How many values were counted."""
        return sum(self.counts)

    def add(self, value: float, bounds: tuple[float, ...]) -> int:
        """Count a value; returns the bucket it fell in."""
        bucket = bisect_left(bounds, value)
        self.counts[bucket] += 1
        self.total += value
        if value < self.low:  # noqa: PLR1730 - a call of min() costs more than all of the rest
            self.low = value
        if value > self.high:  # noqa: PLR1730
            self.high = value
        return bucket


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

    def find(self, key: Key, now_ns: int) -> Series:
        """The series of a key, new when the key is."""
        if self.keep is not None:
            key = tuple(key[index] for index in self.keep)
        try:
            series = self.series.get(key)
        except TypeError:  # the app set a mapping where the catalogue has a name
            key = tuple(map(str, key))
            series = self.series.get(key)
        return self._new(key, now_ns) if series is None else series

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
        series.overflow = key == OVERFLOW
        return series

    def _name_the_offender(self) -> None:
        counts = {name: len({key[i] for key in self.series if key is not OVERFLOW}) for i, name in enumerate(self.keys)}
        tell_overflow(self.name, len(self.series), counts)
