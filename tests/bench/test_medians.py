"""The statistics of the benchmark."""

from __future__ import annotations

from bench.medians import Spread, confidence, differences, quantile


def test_a_spread_is_a_median_with_its_quartiles() -> None:
    """Of 0, 1, 2, 3 and 4 the quartiles are 1 and 3; one outlier moves none of them far."""
    assert Spread.of([4, 0, 2, 1, 3]) == Spread(1, 2, 3)
    assert Spread.of([1000, 0, 2, 1, 3]) == Spread(1, 2, 3)


def test_one_value_is_its_own_spread() -> None:
    """A single round has no quartiles, and is still told."""
    assert Spread.of([7]) == Spread(7, 7, 7)


def test_differences_are_taken_round_by_round() -> None:
    """A machine that is slower in the second round is slower for both."""
    assert differences([110, 210], [100, 200]) == [10, 10]


def test_the_confidence_of_a_median_narrows_with_the_rounds() -> None:
    """More rounds of the same scatter leave less doubt, and the median lies inside."""
    few, many = confidence([1, 2, 3, 4, 5] * 2), confidence([1, 2, 3, 4, 5] * 100)
    assert few[0] <= many[0] <= 3 <= many[1] <= few[1]
    assert many[1] - many[0] < few[1] - few[0]


def test_a_quantile_is_a_value_that_was_measured() -> None:
    """The 99.9th percentile of ten values is the largest of them."""
    assert quantile(range(10), 0.999) == 9
    assert quantile(range(10), 0.5) == 5
