"""The native encoders and their Python twins give the same bytes."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_distro.exporter.wire import _MAX_VALUE
from otel_distro.native import INTERFACE, is_active
from otel_distro.pipeline.span import Span
from otel_distro.record import Fixed, LogRecord
from tests.native.items import (
    CHARACTERS,
    DICTS,
    EDGES,
    NATIVE,
    RECORDS,
    TEXT,
    VALUES,
    encoded,
    forget,
    line,
    spans,
)
from tests.sources import ROOT


def test_the_extension_is_built_from_this_source() -> None:
    """What is loaded is what stands in native/encoders.c; else `make setup` builds it anew."""
    assert hashlib.sha256((ROOT / "native" / "encoders.c").read_bytes()).hexdigest() == NATIVE.SOURCE
    assert NATIVE.INTERFACE == INTERFACE
    assert is_active()


@given(spans())
def test_spans(span: Span) -> None:
    """A span is the same, whoever encoded its fixed attributes first."""
    expected = encoded(span, native=False)
    assert encoded(span, native=True) == expected
    forget(span._attributes)
    assert encoded(span, native=True) == encoded(span, native=False) == expected


@given(RECORDS)
def test_log_records(record: LogRecord) -> None:
    """So is a log record."""
    expected = encoded(record, native=False)
    assert encoded(record, native=True) == expected
    forget(record.attributes, record.fields)
    assert encoded(record, native=True) == encoded(record, native=False) == expected


@given(RECORDS)
def test_lines(record: LogRecord) -> None:
    """And a line of JSON, the first one and the second."""
    expected = line(record, native=False)
    for _ in range(2):
        assert line(record, native=True) == expected
        assert line(record, native=False) == expected
        forget(record.attributes)


def record_of(text: str, value: Any) -> LogRecord:
    """The text everywhere, the value as an attribute."""
    return LogRecord(1, 9, text, text, text, attributes={text: value}, fields={text: value}, event_name=text)


@pytest.mark.parametrize("character", CHARACTERS)
def test_texts_of_any_length(character: str) -> None:
    """Where a length takes one more byte, and where a value is cut, both do the same."""
    for size in (*EDGES, 16384 - 8, _MAX_VALUE - 1, _MAX_VALUE, _MAX_VALUE + 1):
        text = character * size
        for value in (text, [text, text], text.encode("utf-8", "replace")):
            record = record_of(text if size < _MAX_VALUE else character, value)
            assert encoded(record, native=True) == encoded(record, native=False)
            assert line(record, native=True) == line(record, native=False)


def test_a_length_of_four_bytes() -> None:
    """Two megabytes of the longest texts in one list."""
    record = record_of("many", ["é" * _MAX_VALUE] * 16)
    assert encoded(record, native=True) == encoded(record, native=False)


def test_every_character() -> None:
    """Each that there is, in protobuf and in JSON."""
    for first in range(0, sys.maxunicode + 1, _MAX_VALUE // 2):
        text = "".join(map(chr, range(first, first + _MAX_VALUE // 2)))
        record = LogRecord(1, 9, "INFO", "scope", text)
        assert encoded(record, native=True) == encoded(record, native=False)
        assert line(record, native=True) == line(record, native=False)


@given(TEXT, VALUES)
def test_values_of_any_kind(text: str, value: Any) -> None:
    """Every value in every place where one may be."""
    record = record_of(text, value)
    assert encoded(record, native=True) == encoded(record, native=False)
    assert line(record, native=True) == line(record, native=False)


@given(DICTS, DICTS)
def test_attributes_that_change(first: dict[str, Any], second: dict[str, Any]) -> None:
    """A dict that is changed between two items is encoded as it is then; nothing of it was kept."""
    record = LogRecord(1, 9, "INFO", "scope", "body", attributes=first)
    for _ in range(2):
        assert encoded(record, native=True) == encoded(record, native=False)
        assert line(record, native=True) == line(record, native=False)
        first.update(second)


@given(st.integers(0, 2**64 - 1))
def test_every_day_of_the_calendar(nanos: int) -> None:
    """The time of a line is the calendar's, up to the last nanosecond that fits."""
    record = LogRecord(nanos, 9, "INFO", "scope", "body")
    assert line(record, native=True) == line(record, native=False)


def test_a_fixed_dict_as_fields_and_as_attributes() -> None:
    """Names that are ours as fields may collide as attributes: what was kept for the one is not used for the other."""
    both = Fixed({"user.hash": "u", "user.tier": "paid"})
    record = LogRecord(1, 9, "INFO", "scope", "body", attributes=both, fields=both)
    for _ in range(2):
        assert line(record, native=True) == line(record, native=False)


@given(st.lists(RECORDS, max_size=6))
def test_batches(records: list[LogRecord]) -> None:
    """Records of several scopes come into the same groups, in the same order."""
    from otel_distro.exporter import batch
    from otel_distro.exporter.logs import encode_log

    groups: tuple[dict[Any, bytearray], ...] = ({}, {})
    for add, into in zip((NATIVE.add_logs, batch.add_logs), groups, strict=True):
        add(into, iter(records), encode_log)
        add(into, records, encode_log)
    assert list(groups[0].items()) == list(groups[1].items())
