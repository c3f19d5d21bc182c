"""The statistics of the benchmark: medians and quartiles of what was measured in pairs, never means."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_RESAMPLES = 1000


@dataclass(frozen=True)
class Spread:
    """A median with its quartiles."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(low, median, high)

    def plus(self, value: float) -> Spread:
        """All three moved."""
        return Spread(self.low + value, self.median + value, self.high + value)

    def times(self, factor: float) -> Spread:
        """All three scaled."""
        return Spread(self.low * factor, self.median * factor, self.high * factor)

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


def confidence(values: Sequence[float]) -> tuple[float, float]:
    """Between which values the true median lies, 19 times of 20 (bootstrap, always the same for the same values)."""
    source = random.Random(1)
    medians = sorted(statistics.median(source.choices(values, k=len(values))) for _ in range(_RESAMPLES))
    return medians[_RESAMPLES // 40], medians[-_RESAMPLES // 40]


def differences(values: Sequence[float], bare: Sequence[float]) -> list[float]:
    """Round by round: what a value is over bare's of the same round."""
    return [value - base for value, base in zip(values, bare, strict=True)]


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of all lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
