"""The trend of resident memory."""

from __future__ import annotations

import pytest

from bench.memory import slope


def test_the_slope_is_of_the_late_samples_only() -> None:
    """Warming up is not growth: what was before does not count."""
    samples = [(1000, 50.0), (2000, 80.0), (3000, 80.0), (4000, 81.0), (5000, 82.0)]
    assert slope(samples, 3000) == pytest.approx(0.001)
