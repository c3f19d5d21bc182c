"""What came before an error goes with it, and with no other."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind

import otel_distro
from otel_distro.errors.record import record_exception
from otel_distro.instrumentation.logging import LoggingInstrumentor
from tests.conftest import Telemetry
from tests.errors.raising import raised


@pytest.fixture(autouse=True)
def _logging(telemetry: Telemetry) -> Iterator[None]:
    LoggingInstrumentor().instrument()
    logging.getLogger("shop").setLevel(logging.INFO)
    yield
    logging.getLogger("shop").setLevel(logging.NOTSET)
    LoggingInstrumentor().uninstrument()


def query(name: str = "SELECT items") -> None:
    """A statement, as the instrumentation of SQLAlchemy records one."""
    trace.get_tracer("db").start_span(name, kind=SpanKind.CLIENT, attributes={"db.system.name": "sqlite"}).end()


def fail() -> None:
    """An error that nobody catches."""
    record_exception(raised(int, "x"), "test")


def trails(telemetry: Telemetry) -> list[list[Any]]:
    """The breadcrumbs of each exception record."""
    found = [record.attributes or {} for record in telemetry.logs() if record.event_name == "exception"]
    return [json.loads(str(one.get("issue.breadcrumbs", "[]"))) for one in found]


def test_lines_queries_calls_and_steps_in_their_order(telemetry: Telemetry) -> None:
    """Each with its time, kind and what it was; what the app's level drops is none."""
    with trace.get_tracer("web").start_as_current_span("GET /", kind=SpanKind.SERVER):
        logging.getLogger("shop").info("begins")
        logging.getLogger("shop").debug("not wanted")
        query()
        otel_distro.breadcrumb("chose a card", "ui", card="visa", amount=3)
        fail()
    (trail,) = trails(telemetry)
    assert [(crumb["category"], crumb["message"]) for crumb in trail] == [
        ("log", "begins"),
        ("query", "SELECT items"),
        ("ui", "chose a card"),
    ]
    assert trail[2]["card"] == "visa"
    assert [crumb["time_ns"] for crumb in trail] == sorted(crumb["time_ns"] for crumb in trail)
    assert telemetry.logs("chose a card") == []


def test_each_request_has_a_trail_of_its_own(telemetry: Telemetry) -> None:
    """Two that run at once, and one after the other."""
    tracer = trace.get_tracer("web")
    with tracer.start_as_current_span("one"):
        query("SELECT one")
        with trace.use_span(trace.INVALID_SPAN), tracer.start_as_current_span("two"):
            query("SELECT two")
            fail()
        fail()
    with tracer.start_as_current_span("three"):
        fail()
    assert [[crumb["message"] for crumb in trail] for trail in trails(telemetry)] == [
        ["SELECT two"],
        ["SELECT one"],
        [],
    ]


def test_only_the_latest_and_no_more_bytes_than_the_bound(telemetry: Telemetry) -> None:
    """Thirty steps by default; long ones are cut, and fewer."""
    with trace.get_tracer("web").start_as_current_span("GET /"):
        for number in range(50):
            otel_distro.breadcrumb(f"step {number}")
        fail()
        for number in range(50):
            otel_distro.breadcrumb(f"step {number}", text="é" * 4000)
        fail()
    short, long = trails(telemetry)
    assert [crumb["message"] for crumb in short] == [f"step {number}" for number in range(20, 50)]
    assert 1 <= len(json.dumps(long, ensure_ascii=False).encode()) <= 8192


def test_a_line_with_an_exception_has_the_trail_too(telemetry: Telemetry) -> None:
    """One that the app logs at ERROR; its later lines do not repeat it."""
    with trace.get_tracer("web").start_as_current_span("GET /"):
        query()
        error = raised(int, "x")
        logging.getLogger("shop").error("caught", exc_info=error)
        logging.getLogger("shop").error("again", exc_info=error)
    found = [(record.attributes or {}).get("issue.breadcrumbs") for record in telemetry.logs()]
    assert json.loads(str(found[0]))[0]["message"] == "SELECT items"
    assert found[1] is None


def test_capture_in_an_except_block(telemetry: Telemetry) -> None:
    """Without an argument the exception in hand is recorded, as handled, with the context that the app gives."""
    try:
        int("x")
    except ValueError:
        otel_distro.capture_exception(order="o-1", items=[1, 2])
    (record,) = telemetry.logs()
    found = record.attributes or {}
    assert (found["exception.type"], found["issue.handled"], found["order"]) == ("ValueError", True, "o-1")
    assert found["items"] == (1, 2)


def test_capture_of_nothing(telemetry: Telemetry) -> None:
    """Where no exception is in hand nothing is recorded, and nothing raised."""
    otel_distro.capture_exception()
    assert telemetry.logs() == []


@pytest.mark.parametrize(("level", "number"), [("error", 17), ("warning", 13), ("Info", 9), ("nonsense", 17)])
def test_a_message(telemetry: Telemetry, level: str, number: int) -> None:
    """A line of the level, in the span in hand."""
    with trace.get_tracer("web").start_as_current_span("GET /") as span:
        otel_distro.capture_message("low on stock", level, item="book")
    (record,) = telemetry.logs("low on stock")
    assert (record.severity_number, record.trace_id) == (number, span.get_span_context().trace_id)
    assert (record.attributes or {})["item"] == "book"


class Unprintable:
    """Fails at whatever is asked of it."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    "call",
    [otel_distro.breadcrumb, otel_distro.capture_message, lambda value: otel_distro.capture_exception(None, v=value)],
)
def test_what_the_app_gives_can_be_anything(telemetry: Telemetry, call: Any) -> None:
    """It raises nothing."""
    for value in (Unprintable(), None, object(), b"\xff", {"a": [1]}):
        call(value)
