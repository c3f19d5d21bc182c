"""Values for generated telemetry: what the protocol can carry, and what it can't."""

from __future__ import annotations

from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = TEXT | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.binary(max_size=40)
VALUES = st.recursive(
    SCALARS | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT.filter(bool), inner, max_size=4),
    max_leaves=8,
)
ATTRIBUTES = st.dictionaries(TEXT.filter(bool), VALUES, max_size=8)
NANOS = st.integers(0, 2**63 - 1)
IDS = st.tuples(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1))
ANYTHING = st.recursive(
    st.text(st.characters(categories=["Cs", "Lu", "Cc", "So"]))
    | st.integers()
    | st.floats()
    | st.binary()
    | st.none()
    | st.just(object())
    | st.sets(st.integers(), max_size=3)
    | st.complex_numbers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=10,
)
"""What an application may pass although no protocol can carry it."""
