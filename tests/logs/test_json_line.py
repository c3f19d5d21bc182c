"""Records as lines of JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_distro.logs.json_line import JsonLines
from otel_distro.record import Fixed, LogRecord

RESOURCE = {"service.name": "shop", "deployment.environment.name": "test", "process.pid": 1}


def record(body: str = "sold", **values: Any) -> LogRecord:
    """A record of a request."""
    fields = {"request_id": "r-1", "user.hash": "u", "user.tier": "paid"}
    return LogRecord(
        1_700_000_000_123_456_789, 9, "INFO", "shop", body, attributes=values, fields=fields, trace_id=10, span_id=11
    )


def line(of: LogRecord) -> dict[str, Any]:
    """The record's line, read back."""
    text = JsonLines(RESOURCE)(of)
    assert text.endswith(b"\n")
    assert text.count(b"\n") == 1
    return dict(json.loads(text))


def test_fields_have_short_names_in_a_fixed_order() -> None:
    """What, then who, then where, then the app's own values."""
    assert line(record(order=7)) == {
        "timestamp": "2023-11-14T22:13:20.123Z",
        "level": "INFO",
        "logger": "shop",
        "message": "sold",
        "trace_id": f"{10:032x}",
        "span_id": f"{11:016x}",
        "request_id": "r-1",
        "user": "u",
        "tier": "paid",
        "service": "shop",
        "environment": "test",
        "order": 7,
    }
    assert list(line(record(order=7)))[4:6] == ["trace_id", "span_id"]


def test_values_that_collide_get_a_prefix() -> None:
    """A value of the app that is called like one of our console fields is kept beside it."""
    found = line(record(user="bob", level="high"))
    assert (found["user"], found["extra_user"]) == ("u", "bob")
    assert (found["level"], found["extra_level"]) == ("INFO", "high")


def test_access_lines_have_short_names() -> None:
    """Method, route, status and duration of `request_completed`."""
    found = line(record(**{"http.request.method": "GET", "http.route": "/a", "http.response.status_code": 200}))
    assert (found["method"], found["route"], found["status"]) == ("GET", "/a", 200)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (b"\xffa", "\\xffa"),
        (("a", b"b"), ["a", "b"]),
        ("line\nline", "line\nline"),
        ("snow ☃", "snow ☃"),
        ("lone \ud800", "lone \ud800"),
        (2**62, 2**62),
    ],
)
def test_any_value_is_valid_json(value: Any, written: object) -> None:
    """What JSON has no word for is text; a line is always one line."""
    assert line(record(value=value))["value"] == written


@given(
    st.text(),
    st.dictionaries(
        st.text() | st.sampled_from(["status", "file", "http.route", "user.hash", "service.name", "level"]),
        st.text() | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats() | st.binary() | st.tuples(st.text()),
    ),
    st.booleans(),
)
def test_the_quick_line_says_what_the_whole_one_says(body: str, values: dict[str, Any], fixed: bool) -> None:
    """Whether its parts were kept as text or not, a line is the same; so are two in a row."""
    lines, of = JsonLines(RESOURCE), record(body)
    of.attributes = Fixed(values) if fixed else values
    for _ in range(2):
        assert json.loads(lines(of)) == json.loads(lines.whole(of))
