"""Errors are counted, grouped by rules, and told with a stack only so often."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry import trace

from otel_distro import config
from otel_distro.errors import judge
from otel_distro.errors.record import record_exception
from otel_distro.instrumentation.logging import LoggingInstrumentor
from tests.conftest import Telemetry
from tests.errors.raising import raised


@contextmanager
def settings(**variables: str) -> Iterator[None]:
    """Settings of the process for a while."""
    before = config.use(config.load({f"OTEL_DISTRO_{name.upper()}": value for name, value in variables.items()}))
    try:
        yield
    finally:
        config.use(before)
        judge.forget()


@pytest.fixture
def logger(telemetry: Telemetry) -> Iterator[logging.Logger]:
    """A logger whose lines are recorded."""
    LoggingInstrumentor().instrument()
    yield logging.getLogger("app")
    LoggingInstrumentor().uninstrument()


def counted(telemetry: Telemetry) -> dict[tuple[str, str, bool], int]:
    """The metric: type, fingerprint and whether it was handled."""
    return {tuple(point.attributes.values()): point.value for point in telemetry.points("errors")}  # type: ignore[misc]


def test_an_uncaught_error_s_record(telemetry: Telemetry) -> None:
    """It has fingerprint, title and the app's frames, and is counted under the same fingerprint."""
    record_exception(raised(int, "x"), "test")
    found = telemetry.logs()[0].attributes or {}
    assert found["issue.title"] == "ValueError in tests.errors.raising.raised"
    assert found["issue.in_app"] == ("tests.errors.raising.raised",)
    assert found["issue.handled"] is False
    assert counted(telemetry) == {("ValueError", found["issue.fingerprint"], False): 1}


def test_a_logged_error_is_handled(telemetry: Telemetry, logger: logging.Logger) -> None:
    """The app has caught it; a second line about it, or its end as a 500, is not counted again."""
    error = raised(int, "x")
    with trace.get_tracer("test").start_as_current_span("request"):
        logger.error("no", exc_info=error)
        logger.error("again", exc_info=error)
        record_exception(error, "test")
    lines = [record.attributes or {} for record in telemetry.logs()]
    assert [("exception.stacktrace" in line, line.get("issue.handled")) for line in lines] == [
        (True, True),
        (False, None),
    ]
    assert list(counted(telemetry).values()) == [1]


def test_a_warning_is_no_error_yet(telemetry: Telemetry, logger: logging.Logger) -> None:
    """A line below ERROR shows an exception; what then leaves the request is recorded and counted, once."""
    error = raised(int, "x")
    with trace.get_tracer("test").start_as_current_span("request"):
        logger.warning("trying again", exc_info=error)
        assert counted(telemetry) == {}
        record_exception(error, "test")
        record_exception(error, "test")
    assert [record.event_name for record in telemetry.logs()] == [None, "exception"]
    assert list(counted(telemetry).values()) == [1]


def test_the_same_error_is_told_so_often_a_minute(telemetry: Telemetry, logger: logging.Logger) -> None:
    """Beyond the limit it is counted, its lines have no stack, and the next record says how many there were."""
    with settings(errors_per_minute="2"):
        for number in range(5):
            record_exception(raised(int, f"x{number}"), "test")
        logger.error("line", exc_info=raised(int, "x"))
        assert len(telemetry.logs()) == 3
        line = telemetry.logs("line")[0].attributes or {}
        assert line["exception.message"] == "invalid literal for int() with base 10: 'x'"
        assert "exception.stacktrace" not in line
        judge._process.judge._buckets.clear()  # a minute later
        record_exception(raised(int, "x"), "test")
    assert (telemetry.logs()[-1].attributes or {})["issue.suppressed"] == 4
    assert sum(counted(telemetry).values()) == 7


def test_another_error_has_a_limit_of_its_own(telemetry: Telemetry) -> None:
    """One that floods does not hide one that is rare."""
    with settings(errors_per_minute="1"):
        for _ in range(3):
            record_exception(raised(int, "x"), "test")
        record_exception(raised({}.__getitem__, "rare"), "test")
    assert [(record.attributes or {})["exception.type"] for record in telemetry.logs()] == ["ValueError", "KeyError"]


def test_expected_errors(telemetry: Telemetry) -> None:
    """What the settings call expected, by a class or one it derives from, is neither recorded nor counted."""
    with settings(expected_errors="LookupError,decimal.*"):
        assert record_exception(raised({}.__getitem__, "x"), "test") is None
        record_exception(raised(int, "x"), "test")
    assert [(record.attributes or {})["exception.type"] for record in telemetry.logs()] == ["ValueError"]
    assert len(counted(telemetry)) == 1


@pytest.mark.parametrize("rule", ["ValueError", "tests.errors.raising.*", "Exception"])
def test_rules(telemetry: Telemetry, rule: str) -> None:
    """By type, by a class it derives from or by place: one group, its name filled from the span."""
    span = trace.get_tracer("test").start_as_current_span("call", attributes={"gen_ai.request.model": "m-1"})
    with settings(error_groups=f"os.error=disk,{rule}=inference {{gen_ai.request.model}}"), span:
        record_exception(raised(int, "x"), "test")
        record_exception(raised(float, "y"), "test")
    found = [record.attributes or {} for record in telemetry.logs()]
    assert [one["issue.title"] for one in found] == ["inference m-1"] * 2
    assert len({one["issue.fingerprint"] for one in found}) == 1


def test_the_metric_is_bounded(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number of fingerprints they are counted together."""
    monkeypatch.setattr(judge, "_MAX_LABELS", 1)
    judge.forget()
    for call, argument in ((int, "x"), ({}.__getitem__, "x"), (open, "/no/such")):
        record_exception(raised(call, argument), "test")  # type: ignore[arg-type]
    assert [key[1] == "_OTHER" for key in counted(telemetry)] == [False, True, True]
    judge.forget()
