"""What the SDK has counted so far, read in passing: the export that comes later misses nothing."""

from __future__ import annotations

from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics._internal.aggregation import _LastValueAggregation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.metrics.export import MetricsData

_COUNTED = (sdk.Counter, sdk.UpDownCounter, sdk.Histogram)
"""Gauges forget their value when they are collected, and the callbacks of the others may be dear: left out."""


class _NoExemplars:
    def offer(self, *_: object) -> None:
        """Not now."""

    def collect(self, *_: object) -> list[Any]:
        """None: they are for the export."""
        return []


_NO_EXEMPLARS: Any = _NoExemplars()


def so_far(storage: Any) -> MetricsData | None:
    """The cumulative values of counters and histograms in a reader's storage, without exemplars."""
    part = copy(storage)
    part._instrument_view_instrument_matches = {  # noqa: SLF001 - the SDK has no other way to it
        instrument: matches
        for instrument, matches in list(storage._instrument_view_instrument_matches.items())  # noqa: SLF001
        if isinstance(instrument, _COUNTED) and not any(map(_is_gauge, matches))
    }
    with _without_exemplars(part):
        found: MetricsData | None = part.collect()
    return found


def _is_gauge(match: Any) -> bool:
    return isinstance(match._aggregation, _LastValueAggregation)  # noqa: SLF001


@contextmanager
def _without_exemplars(storage: Any) -> Iterator[None]:
    """Collecting empties the reservoirs: they are put aside meanwhile."""
    found = list(storage._instrument_view_instrument_matches.values())  # noqa: SLF001
    series = [one for matches in found for match in matches for one in list(match._attributes_aggregation.values())]  # noqa: SLF001
    before = [(one, one._reservoir) for one in series]  # noqa: SLF001
    try:
        for one in series:
            one._reservoir = _NO_EXEMPLARS  # noqa: SLF001
        yield
    finally:
        for one, reservoir in before:
            one._reservoir = reservoir  # noqa: SLF001
