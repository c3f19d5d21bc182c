"""What is usual the native encoders do themselves; what is not they leave to their twins."""

from __future__ import annotations

from enum import IntEnum
from types import MappingProxyType
from typing import Any

import pytest
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from otel_distro.exporter.wire import _MAX_VALUE
from otel_distro.logs.json_line import _AMBIGUOUS, SHORT
from otel_distro.pipeline.span import Span
from otel_distro.record import Exact, Fixed, LogRecord
from tests.native.items import LINES, NATIVE, TRACERS, TwinCalledError, unexpected

USUAL: tuple[Any, ...] = ("text", "", "schön ☃ 😀", "\ud800", 0, -1, 2**63 - 1, 1.5, True, None, ("a", 1), ["a", ["b"]])
BINARY = b"\xff"


class Number(IntEnum):
    """Not an exact int."""

    ONE = 1


class Name(str):
    """Not an exact str."""

    __slots__ = ()


DEEP: Any = [[[[["deep"]]]]]
ODD: tuple[Any, ...] = (2**63, Number.ONE, Name("a"), {"a": 1}, {1}, object(), bytearray(b"a"), DEEP)
LONG = "x" * (_MAX_VALUE + 1)


def ended(attributes: Any = None, **slots: Any) -> Span:
    """A client's span."""
    span: Any = TRACERS[0].start_span("name", kind=SpanKind.CLIENT)
    span._attributes = {} if attributes is None else attributes
    span.end()
    for name, value in slots.items():
        setattr(span, name, value)
    return span


def record(attributes: Any = None, **slots: Any) -> LogRecord:
    """A line of a request."""
    made = LogRecord(1, 9, "INFO", "scope", "body", attributes=attributes, fields={"request_id": "r"}, trace_id=1)
    for name, value in slots.items():
        setattr(made, name, value)
    return made


def is_native(item: Any) -> bool:
    """Whether the extension encodes it without its twin."""
    add = NATIVE.add_spans if isinstance(item, Span) else NATIVE.add_logs
    try:
        add({}, [item], unexpected)
    except TwinCalledError:
        return False
    return True


def is_native_line(of: LogRecord) -> bool:
    """Whether the extension renders it without its twin."""
    lines = NATIVE.Lines(unexpected, LINES.tail, SHORT, _AMBIGUOUS)
    try:
        return bool(lines.render(of))
    except TwinCalledError:
        return False


@pytest.mark.parametrize("kind", [dict, Exact, Fixed])
def test_usual_items_are_native(kind: Any) -> None:
    """Values of the usual types, in attributes of any of our kinds."""
    values = {f"key {number}": value for number, value in enumerate(USUAL)}
    for attributes in (None, kind({}), kind(values), kind({**values, "bytes": BINARY})):
        assert is_native(ended(attributes))
        assert is_native(record(attributes))
    assert is_native_line(record(kind(values)))


def test_usual_spans_are_native() -> None:
    """Roots, children, and roots of a remote parent."""
    parent = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1))
    assert is_native(ended())
    assert is_native(ended(parent_id=2, _parent=parent))
    assert is_native(ended(parent_id=2, _parent=parent, is_root=True))


def test_usual_records_are_native() -> None:
    """Outside of a trace, with flags as the API gives them, with an event's name, with no work in hand."""
    for made in (
        record(),
        record(trace_id=0, fields=MappingProxyType({})),
        record(trace_flags=TraceFlags(1)),
        record(event_name="event"),
        record(fields=None),
    ):
        assert is_native(made)
        assert is_native_line(made)


@pytest.mark.parametrize("value", [*ODD, LONG, LONG.encode()], ids=lambda value: type(value).__name__)
def test_odd_values_are_the_twin_s(value: Any) -> None:
    """What is no exact scalar, too long or too deep."""
    assert not is_native(ended({"key": value}))
    assert not is_native(record({"key": value}))
    assert not is_native_line(record({"key": value}))
    assert not is_native(record(fields={"key": value}))


@pytest.mark.parametrize(
    "slots",
    [
        {"_name": Name("a")},
        {"_name": None},
        {"_kind": 1},
        {"_end_time": None},
        {"_start_time": -1},
        {"trace_id": 2**128},
        {"span_id": 2**64},
        {"span_id": True},
        {"flags": "1"},
        {"flags": 2**32},
        {"_attributes": MappingProxyType({"a": 1})},
        {"parent_id": 1, "is_root": True, "_parent": "no context"},
        {"has_more": True},
    ],
    ids=str,
)
def test_odd_spans_are_the_twin_s(slots: dict[str, Any]) -> None:
    """One that has more than most, or something of another type."""
    assert not is_native(ended(**slots))


@pytest.mark.parametrize(
    "slots",
    [
        {"body": None},
        {"severity_text": Name("INFO")},
        {"time_unix_nano": -1},
        {"time_unix_nano": 1.0},
        {"trace_id": -1},
        {"span_id": 2**64},
        {"fields": MappingProxyType({"a": 1})},
    ],
    ids=str,
)
def test_odd_records_are_the_twin_s(slots: dict[str, Any]) -> None:
    """Something of another type, or out of its range."""
    assert not is_native(record(**slots))
    assert not is_native_line(record(**slots))


@pytest.mark.parametrize(
    "slots",
    [
        {"severity_number": 128},
        {"severity_number": None},
        {"trace_flags": 2**32},
        {"trace_flags": -1},
        {"event_name": 1},
    ],
    ids=str,
)
def test_what_a_line_does_not_show(slots: dict[str, Any]) -> None:
    """The same for what only the protocol carries."""
    assert not is_native(record(**slots))
    assert is_native_line(record(**slots))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), BINARY, [float("nan")]], ids=str)
def test_what_json_has_no_word_for(value: Any) -> None:
    """The twin finds one for a line; the protocol can carry it."""
    assert is_native(record({"key": value}))
    assert not is_native_line(record({"key": value}))


def test_names_that_meet_are_the_twin_s() -> None:
    """A line in which the app's value is called like one of our fields is rendered as a whole."""
    assert not is_native_line(record({"level": "high"}))
    assert not is_native_line(record(Fixed({"service.name": "mine"})))
    assert not is_native_line(record(LONG))
    assert is_native_line(record({"http.route": "/a"}))
