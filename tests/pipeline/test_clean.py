"""Copies of the app's values: exact, bounded in depth and number, whatever the app's classes do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import given

from otel_distro.pipeline.clean import SCALARS, clean
from tests.exporter.values import ANYTHING, VALUES


def leaves(value: Any) -> list[Any]:
    """Every value in it that contains no other."""
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, tuple) else [value]


def as_lists(value: Any) -> Any:
    """Tuples as lists, so that copies compare with what they were made of."""
    if isinstance(value, dict):
        return {key: as_lists(item) for key, item in value.items()}
    return [as_lists(item) for item in value] if isinstance(value, list | tuple) else value


@given(VALUES)
def test_what_telemetry_can_carry_is_copied_as_it_is(value: Any) -> None:
    """Equal to the original, with tuples for lists."""
    assert as_lists(clean(value)) == as_lists(value)


@given(ANYTHING)
def test_all_else_becomes_exact_scalars_in_tuples_and_dictionaries(value: Any) -> None:
    """No object of any other type is in a copy."""
    assert all(type(leaf) in SCALARS for leaf in leaves(clean(value)))


def test_a_value_that_repeats_itself_is_not_multiplied() -> None:
    """A list of a list of a list, each the same thousand times, costs a thousand items, not 10**15."""
    value: list[Any] = [0] * 1000
    for _ in range(4):
        value = [value] * 1000
    assert len(leaves(clean(value))) <= 1024


def test_a_sequence_without_end_is_cut() -> None:
    """Only as many items are asked for as are kept."""

    class Endless(Sequence[int]):
        def __len__(self) -> int:
            return 2**62

        def __getitem__(self, index: Any) -> Any:
            return index

        def __iter__(self) -> Iterator[int]:
            number = 0
            while True:
                yield (number := number + 1)

    assert len(clean(Endless())) <= 1024


def test_a_string_s_own_text_is_not_asked_for() -> None:
    """What a subclass makes of `__str__` does not matter: its characters are taken."""

    class Odd(str):
        __slots__ = ()

        def __str__(self) -> str:
            raise RuntimeError("no text for you")

    assert clean(Odd("abc")) == "abc"
    assert type(clean([Odd("abc")])[0]) is str


def test_strings_are_cut_at_the_limit_at_every_level() -> None:
    """As the length limit of attributes asks for."""
    assert clean({"a": ["123456"], "b": "123456"}, 3) == {"a": ("123",), "b": "123"}
