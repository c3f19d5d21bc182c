"""Records as lines of JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otel_distro.logs.json_line import render_json
from otel_distro.record import LogRecord

RESOURCE = {"service.name": "shop", "deployment.environment.name": "test", "process.pid": 1}


def record(body: str = "sold", **values: Any) -> LogRecord:
    """A record of a request."""
    fields = {"request_id": "r-1", "user.hash": "u", "user.tier": "paid"}
    return LogRecord(
        1_700_000_000_123_456_789, 9, "INFO", "shop", body, attributes=values, fields=fields, trace_id=10, span_id=11
    )


def line(of: LogRecord) -> dict[str, Any]:
    """The record's line, read back."""
    text = render_json(of, RESOURCE)
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


def test_without_orjson_lines_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard library writes what orjson writes."""
    from otel_distro.logs import json_line

    of = record("☃ \ud800", order=7, ratio=0.1, items=(1, 2))
    monkeypatch.setattr(json_line._write, "dumps", json_line._by_json)
    by_json = render_json(of, RESOURCE)
    monkeypatch.setattr(json_line._write, "dumps", json_line._by_orjson())
    assert json.loads(render_json(of, RESOURCE)) == json.loads(by_json)
