"""Objects that are not what they should be do no harm: they raise what the twin raises, or are encoded as it would."""

from __future__ import annotations

from collections import UserDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_distro.pipeline.span import Span
from otel_distro.record import Exact, Fixed, LogRecord
from tests.native.items import NATIVE, TRACERS, encoded, line, unexpected


class Raises:
    """Whatever is done with it fails."""

    def _fail(self, *_: object) -> Any:
        raise RuntimeError

    __bool__ = __len__ = __iter__ = __index__ = __hash__ = __eq__ = __str__ = __repr__ = __format__ = _fail  # type: ignore[assignment]
    __getattr__ = _fail


class Other(dict[str, Any]):
    """A dict that tells other pairs than it has."""

    def items(self) -> Any:
        return [("other", 1)]


class Sub(LogRecord):
    """With an attribute of a slot's name."""

    body = "of the class"  # type: ignore[misc]


class Loose:
    """Like a record, without slots."""

    def __init__(self) -> None:
        self.__dict__.update(dict.fromkeys(LogRecord.__slots__))


LOOP: list[Any] = []
LOOP.append(LOOP)
ANYTHING: tuple[Any, ...] = (
    *(
        None,
        0,
        1,
        -1,
        256,
        2**32,
        2**64,
        2**128,
        -(2**200),
        1.5,
        float("nan"),
        "",
        "\ud800",
        b"",
        b"\xff",
        True,
        (),
        [],
        {},
        LOOP,
    ),
    *(
        object(),
        Raises(),
        Other(a=1),
        UserDict(a=1),
        int,
        Exact({1: 2}),
        Fixed({(1,): b"a"}),
        {None: None},
        {"a": LOOP},
    ),
    *({"a": Raises()}, [Raises()], {"a": b"\xff"}, {b"a": 1}, type("Text", (str,), {})("a")),
)
SLOTS = [name for name in LogRecord.__slots__ if name not in ("console", "export")]
SPAN_SLOTS = [name for name in Span.__slots__ if name not in ("tracer", "local")]


def record() -> LogRecord:
    """A usual one."""
    return LogRecord(1, 9, "INFO", "scope", "body", attributes={"a": 1}, fields={"b": "c"}, trace_id=1, span_id=2)


def ended() -> Any:
    """A usual one."""
    span = TRACERS[0].start_span("name", attributes={"a": 1})
    span.end()
    return span


@given(st.dictionaries(st.sampled_from(SLOTS), st.sampled_from(range(len(ANYTHING))), max_size=3))
def test_records_of_anything(slots: dict[str, int]) -> None:
    """Any object in any slot."""
    made = record()
    for name, which in slots.items():
        setattr(made, name, ANYTHING[which])
    assert encoded(made, native=True) == encoded(made, native=False)
    assert line(made, native=True) == line(made, native=False)


@given(st.dictionaries(st.sampled_from([*SPAN_SLOTS, "has_more"]), st.sampled_from(range(len(ANYTHING))), max_size=3))
def test_spans_of_anything(slots: dict[str, int]) -> None:
    """Any object in any slot."""
    span = ended()
    for name, which in slots.items():
        setattr(span, name, ANYTHING[which])
    assert encoded(span, native=True) == encoded(span, native=False)


@pytest.mark.parametrize("name", SLOTS)
def test_a_slot_that_is_empty(name: str) -> None:
    """An attribute that was deleted is an AttributeError, as in Python."""
    made = record()
    delattr(made, name)
    assert encoded(made, native=True) is encoded(made, native=False) is AttributeError
    assert line(made, native=True) == line(made, native=False)


@pytest.mark.parametrize("name", [name for name in SPAN_SLOTS if name not in ("_ctx", "_parent", "is_root")])
def test_a_span_s_slot_that_is_empty(name: str) -> None:
    """As above."""
    span = ended()
    delattr(span, name)
    assert encoded(span, native=True) is encoded(span, native=False) is AttributeError


@pytest.mark.parametrize("kind", [str, object, Raises, Loose, Sub, int, type(None)])
def test_items_of_another_class(kind: Any) -> None:
    """What is no record at all, and what only looks like one; a record after it is encoded as ever."""
    item = kind(1, 9, "INFO", "scope", "body") if kind is Sub else kind()
    for like in (LogRecord, Span):
        assert encoded(item, native=True, like=like) == encoded(item, native=False, like=like)
    assert line(item, native=True) == line(item, native=False)
    assert encoded(record(), native=True) == encoded(record(), native=False)


def test_one_that_fails_was_taken() -> None:
    """The iterator goes on with the next item, and what came before it is in its group."""
    good, bad = record(), record()
    bad.body = None  # type: ignore[assignment]
    groups: dict[Any, bytearray] = {}
    left = iter([good, bad, good])
    with pytest.raises(ZeroDivisionError):
        NATIVE.add_logs(groups, left, lambda _: 1 // 0)
    NATIVE.add_logs(groups, left, unexpected)
    once = encoded(good, native=True)["scope"]
    assert groups == {"scope": once + once}


@pytest.mark.parametrize(
    "arguments",
    [(), ({},), ([], [], bytes), ({}, 1, bytes), ({}, [object()], 1), ({}, [object()], str), ({}, [1], len)],
)
def test_wrong_arguments(arguments: tuple[Any, ...]) -> None:
    """Whoever calls it wrongly gets an exception."""
    for add in (NATIVE.add_spans, NATIVE.add_logs):
        with pytest.raises((TypeError, AttributeError)):
            add(*arguments)
    for wrong in ((), (1, 2, 3, 4), (len, b"", {}, set()), (len, "", {}, frozenset())):
        with pytest.raises(TypeError):
            NATIVE.Lines(*wrong)


def test_a_group_that_is_none() -> None:
    """A batch holds byte arrays, and one that can't grow now is a BufferError."""
    with pytest.raises(TypeError):
        NATIVE.add_logs({"scope": []}, [record()], unexpected)
    group = bytearray(b"begun")
    with memoryview(group), pytest.raises(BufferError):
        NATIVE.add_logs({"scope": group}, [record()], unexpected)
    assert group == b"begun"


def test_a_twin_that_encodes_meanwhile() -> None:
    """While a twin runs, the extension may be called again, also for the same batch."""
    groups: dict[Any, bytearray] = {}
    odd = record()
    odd.attributes = {"odd": {}}

    def twin(_: object) -> bytes:
        NATIVE.add_logs(groups, [record()], unexpected)
        return b"odd"

    NATIVE.add_logs(groups, [record(), odd, record()], twin)
    usual = encoded(record(), native=True)["scope"]
    assert groups == {"scope": usual + usual + b"\x12\x03odd" + usual}
