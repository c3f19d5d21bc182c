"""Which record a call of `logging` becomes."""

from __future__ import annotations

import enum
import logging
import threading
from datetime import datetime, timezone
from decimal import Decimal
from time import time_ns
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context, trace
from opentelemetry.instrumentation.utils import suppress_instrumentation

from otel_distro.context.work import CURRENT, Work
from otel_distro.errors.record import record_exception
from otel_distro.instrumentation.logging import LoggingInstrumentor
from otel_distro.record import HANDOVER, LogRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Telemetry


@pytest.fixture
def span() -> Iterator[trace.Span]:
    """A current span, in a request."""
    made = trace.get_tracer("test").start_span("request")
    token = context.attach(trace.set_span_in_context(made))
    work = CURRENT.set(Work({"request_id": "r-1", "user.hash": "u"}))
    yield made
    CURRENT.reset(work)
    context.detach(token)
    made.end()


def only(telemetry: Telemetry) -> LogRecord:
    """The one record there is."""
    (record,) = telemetry.logs()
    return record


def attributes(telemetry: Telemetry) -> dict[str, Any]:
    """What the app added to the one record."""
    found = dict(only(telemetry).attributes or {})
    return {key: value for key, value in found.items() if not key.startswith("code.")}


class Reluctant:
    """An object that can't be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class Colour(str, enum.Enum):
    """An enumeration of text."""

    RED = "red"


def test_record_has_text_level_time_logger_and_place(telemetry: Telemetry, logger: logging.Logger) -> None:
    """The text is rendered at call time; place and time are those of the call."""
    before = time_ns()
    items = ["a"]
    logger.warning("has %s", items)
    items.append("b")
    record = only(telemetry)
    assert (record.body, record.severity_text, record.severity_number) == ("has ['a']", "WARNING", 13)
    assert record.scope == "shop.cart"
    assert before - 1000 <= record.time_unix_nano <= time_ns()
    found = dict(record.attributes or {})
    assert found["code.file.path"] == __file__
    assert found["code.function.name"] == test_record_has_text_level_time_logger_and_place.__name__


def test_record_belongs_to_the_current_span_and_work(
    telemetry: Telemetry, logger: logging.Logger, span: trace.Span
) -> None:
    """Trace id, span id and the fields of the request in hand are on the record."""
    logger.info("inside")
    record = only(telemetry)
    assert (record.trace_id, record.span_id) == (span.get_span_context().trace_id, span.get_span_context().span_id)
    assert record.fields == {"request_id": "r-1", "user.hash": "u"}


def test_record_outside_of_any_span_has_no_ids(telemetry: Telemetry, logger: logging.Logger) -> None:
    """No current span: no ids, no fields."""
    logger.info("outside")
    record = only(telemetry)
    assert (record.trace_id, record.span_id, dict(record.fields or {})) == (0, 0, {})


@pytest.mark.parametrize(
    ("level", "number"), [(0, 0), (5, 4), (10, 5), (15, 8), (20, 9), (25, 12), (30, 13), (40, 17), (50, 21), (99, 24)]
)
def test_levels(level: int, number: int) -> None:
    """Custom levels get a severity between those of their neighbours."""
    from otel_distro.logs.severity import severity

    assert severity(level) == number


def test_arguments_that_do_not_fit(
    telemetry: Telemetry, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that can't be formatted is recorded as its template, with a note, and raises nothing."""
    monkeypatch.setattr(logger, "handlers", [])  # pytest's raise where others report
    logger.info("%d items", "three")
    record = only(telemetry)
    assert record.body == "%d items"
    assert str(attributes(telemetry)["otel_distro.log.format_error"]).startswith("TypeError: %d format")


def test_message_that_can_not_be_printed(
    telemetry: Telemetry, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object whose __str__ raises is recorded as unprintable."""
    monkeypatch.setattr(logger, "handlers", [])
    logger.info(Reluctant())
    assert only(telemetry).body == "<unprintable: RuntimeError>"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("text", "text"),
        (True, True),
        (7, 7),
        (2**80, str(2**80)),
        (1.5, 1.5),
        (b"\xff", b"\xff"),
        (bytearray(b"ab"), "ab"),
        ([1, 2], (1, 2)),
        (("a",), ("a",)),
        ({"a": {"b": 1}}, '{"a": {"b": 1}}'),
        ([{"a": 1}], '[{"a": 1}]'),
        (Colour.RED, "red"),
        (Decimal("1.20"), "1.20"),
        (datetime(2026, 1, 2, tzinfo=timezone.utc), "2026-01-02 00:00:00+00:00"),
        (ValueError("x"), "ValueError('x')"),
        (Reluctant(), "<unprintable: RuntimeError>"),
        ({"a": Reluctant()}, '{"a": "<unprintable: RuntimeError>"}'),
        ("x" * 10000, "x" * 8191 + "…"),
    ],
)
def test_values_of_any_type(telemetry: Telemetry, logger: logging.Logger, value: Any, kept: object) -> None:
    """`extra=` values become exact scalars, flat tuples of them, or bounded text."""
    logger.info("value", extra={"v": value})
    found = attributes(telemetry)["v"]
    assert found == kept
    assert type(found) is type(kept)


def test_cyclic_and_huge_values_end(telemetry: Telemetry, logger: logging.Logger) -> None:
    """A structure that contains itself, and one of a million keys, become short text in no time."""
    cycle: dict[str, Any] = {"wide": []}
    cycle["wide"].extend([cycle] * 50)
    logger.info("value", extra={"cycle": cycle, "huge": dict.fromkeys(range(10**6)), "list": [0] * 10**6})
    found = attributes(telemetry)
    assert len(found["cycle"]) <= 8192
    assert len(found["huge"]) <= 8192
    assert found["list"] == (0,) * 64


def test_many_odd_and_empty_values(telemetry: Telemetry, logger: logging.Logger) -> None:
    """At most 64 values are kept; keys that are no strings become strings; None is left out."""
    logger.info("many", extra={**{f"k{n}": n for n in range(100)}})
    assert len(attributes(telemetry)) == 64
    telemetry.clear()
    logger.info("odd", extra={1: "one", "none": None, "": "empty"})
    assert attributes(telemetry) == {"1": "one"}


def test_names_of_ours_get_a_prefix(telemetry: Telemetry, logger: logging.Logger, span: trace.Span) -> None:
    """What the app calls like a field of ours is kept beside it, unless it says the same."""
    trace_id = f"{span.get_span_context().trace_id:032x}"
    logger.info("names", extra={"request_id": "other", "trace_id": trace_id, "code.line.number": 1})
    assert attributes(telemetry) == {"extra_request_id": "other", "extra_code.line.number": 1}


def test_long_messages_are_cut(telemetry: Telemetry, logger: logging.Logger) -> None:
    """A message of a megabyte is kept up to 32 KiB."""
    logger.info("x" * 2**20)
    assert len(only(telemetry).body) == 32768


def test_threads_are_named(telemetry: Telemetry, logger: logging.Logger) -> None:
    """A record of another thread than the main one names it."""
    thread = threading.Thread(target=logger.info, args=("from a thread",), name="worker-1")
    thread.start()
    thread.join()
    assert attributes(telemetry) == {"thread.name": "worker-1"}


def test_an_exception_is_recorded_once(telemetry: Telemetry, logger: logging.Logger, span: trace.Span) -> None:
    """Logged, logged again and then unhandled: one stack, and the later line names the type only."""
    try:
        raise LookupError("gone")
    except LookupError as error:
        logger.exception("first")
        logger.error("second", exc_info=True)
        record_exception(error, "test")
    first, second = telemetry.logs()
    assert "exception.stacktrace" in (first.attributes or {})
    assert [key for key in second.attributes or {} if key.startswith("exception.")] == ["exception.type"]


def test_a_line_about_a_recorded_exception_finds_its_request(
    telemetry: Telemetry, logger: logging.Logger, span: trace.Span
) -> None:
    """Logged after the span ended, as uvicorn does it, the line has the ids of where the exception was recorded."""
    error = LookupError("gone")
    record_exception(error, "test")
    token, work = context.attach(context.Context()), CURRENT.set(None)
    logger.error("Exception in ASGI application", exc_info=error)
    CURRENT.reset(work)
    context.detach(token)
    (line,) = telemetry.logs("Exception in ASGI application")
    assert line.trace_id == span.get_span_context().trace_id
    assert (line.fields or {})["request_id"] == "r-1"


def test_exc_info_without_exception(telemetry: Telemetry, logger: logging.Logger) -> None:
    """`exc_info=True` outside of any `except` is a plain record."""
    logger.error("nothing wrong", exc_info=True)
    assert attributes(telemetry) == {}


def test_stack_info_is_kept(telemetry: Telemetry, logger: logging.Logger) -> None:
    """`stack_info=True` is an attribute."""
    logger.info("here", stack_info=True)
    stack = (only(telemetry).attributes or {})["code.stacktrace"]
    assert str(stack).startswith("Stack (most recent call last)")


def test_the_exporters_own_lines_are_not_exported(telemetry: Telemetry, logger: logging.Logger) -> None:
    """What is logged while instrumentation is suppressed (an exporter at work) is not exported in turn."""
    with suppress_instrumentation():
        logger.error("connection refused")
    assert telemetry.logs() == []


def test_logging_inside_of_the_hand_over_ends(telemetry: Telemetry, logger: logging.Logger) -> None:
    """A sink that logs does not call itself: its line goes to the app's handlers only."""

    class Chatty:
        def __init__(self) -> None:
            self.taken: list[str] = []

        def log(self, record: LogRecord) -> None:
            self.taken.append(record.body)
            logger.warning("took %s", record.body)

    chatty = Chatty()
    HANDOVER.sink, sink = chatty, HANDOVER.sink  # type: ignore[assignment]
    logger.info("one")
    HANDOVER.sink = sink
    assert chatty.taken == ["one"]


def test_a_value_that_logs_when_printed_ends(telemetry: Telemetry, logger: logging.Logger) -> None:
    """An extra whose __str__ logs itself again does not recurse."""

    class Talkative:
        def __str__(self) -> str:
            logger.info("printing", extra={"self": self})
            return "talk"

    logger.info("one", extra={"self": Talkative()})
    assert attributes(telemetry) == {"self": "talk"}


def test_uninstrument_restores_logging() -> None:
    """Instrumented and uninstrumented twice, the methods of `logging` are as before."""
    before = logging.Logger.callHandlers, logging.Handler.handle
    for _ in range(2):
        LoggingInstrumentor().instrument()
        assert logging.Logger.callHandlers is not before[0]
        LoggingInstrumentor().uninstrument()
    assert (logging.Logger.callHandlers, logging.Handler.handle) == before


def test_a_patch_over_ours_stays(telemetry: Telemetry) -> None:
    """When somebody patched `callHandlers` after us (Sentry does), uninstrument leaves theirs and records no more."""
    original = logging.Logger.callHandlers
    LoggingInstrumentor().instrument()
    ours = logging.Logger.callHandlers

    def theirs(self: logging.Logger, record: logging.LogRecord) -> None:
        ours(self, record)

    logging.Logger.callHandlers = theirs  # type: ignore[method-assign]
    LoggingInstrumentor().uninstrument()
    logging.getLogger("shop").error("later")
    assert logging.Logger.callHandlers is theirs
    logging.Logger.callHandlers = original  # type: ignore[method-assign]
    assert telemetry.logs() == []
