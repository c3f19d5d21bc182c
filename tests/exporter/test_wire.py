"""Values on the wire: what the protocol knows comes back as it was, the rest as text, and always bounded."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from otel_distro.exporter import wire
from otel_distro.exporter.wire import Pairs, any_value, varint
from tests.exporter.requests import value as decoded
from tests.exporter.values import TEXT, VALUES


@given(VALUES)
def test_a_value_comes_back(value: Any) -> None:
    """Text, numbers, bytes, sequences and mappings decode to themselves."""
    assert decoded(AnyValue.FromString(any_value(value))) == value


@given(st.integers())
def test_an_integer_comes_back_or_is_text(number: int) -> None:
    """What does not fit into 64 bits is sent as its digits."""
    assert decoded(AnyValue.FromString(any_value(number))) in (number, str(number))


@given(st.integers(-(2**63), 2**64 - 1))
def test_varints_are_protobuf_s(number: int) -> None:
    """A varint ends where it says, and negative numbers are two's complement."""
    encoded = varint(number)
    assert [byte >> 7 for byte in encoded] == [1] * (len(encoded) - 1) + [0]
    assert sum((byte & 127) << 7 * place for place, byte in enumerate(encoded)) == number % 2**64


@pytest.mark.parametrize("number", [math.inf, -math.inf, 0.0, -0.0, 5e-324])
def test_extreme_floats_come_back(number: float) -> None:
    """Infinity and the smallest number are numbers."""
    assert decoded(AnyValue.FromString(any_value(number))) == number


def test_not_a_number_comes_back() -> None:
    """NaN stays NaN."""
    assert math.isnan(decoded(AnyValue.FromString(any_value(math.nan))))


@given(st.sampled_from(["http.route", "request_id"]) | TEXT, VALUES)
def test_an_attribute_comes_back_each_time(key: str, value: Any) -> None:
    """The cache gives what the first encoding gave, and tells equal values of other types apart."""
    write = partial(Pairs().joined, b"\x0a")
    for _ in range(2):
        for each in (value, 1, True, 1.0):
            (pair,) = Resource.FromString(write({key: each})).attributes
            assert (pair.key, decoded(pair.value)) == (key, each)
            assert type(decoded(pair.value)) is type(each) or isinstance(each, (list, tuple, dict))


def test_a_huge_text_is_cut() -> None:
    """What is longer than 128 Ki characters leaves as its beginning, however deep it stands."""
    sent = decoded(AnyValue.FromString(any_value({"deep": ["x" * 1_000_000], "bytes": b"x" * 1_000_000})))
    assert (len(sent["deep"][0]), len(sent["bytes"])) == (131072, 131072)


def test_a_huge_number_is_text() -> None:
    """What Python does not write as decimals leaves as the beginning of its hexadecimals."""
    sent = decoded(AnyValue.FromString(any_value(10**10_000)))
    assert hex(10**10_000).startswith(sent)


def test_little_is_kept() -> None:
    """Ids, and keys and values that never come again, do not fill the memory."""
    pairs = Pairs()
    for number in range(20_000):
        pairs.joined(b"\x0a", {f"key {number}": f"value {number}", "request_id": f"r-{number}", "text": "x" * number})
    assert max(len(pairs._kept), len(pairs._heads)) <= wire._MAX_KEPT
    assert max(map(len, pairs._kept.values())) < 2 * wire._MAX_KEPT_TEXT
