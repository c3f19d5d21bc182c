"""Records as text."""

from __future__ import annotations

from otel_distro.logs.text_line import render_text
from otel_distro.record import LogRecord

TRACE = f"{10:032x}"


def record(body: str = "sold", severity: int = 9, **values: object) -> LogRecord:
    """A record of a request whose id is its trace id."""
    return LogRecord(
        1_700_000_000_123_456_789,
        severity,
        "INFO",
        "shop",
        body,
        attributes=values,  # type: ignore[arg-type]
        fields={"request_id": TRACE, "user.tier": "paid"},
        trace_id=10,
    )


def text(of: LogRecord) -> str:
    """Its text after the time."""
    return render_text(of).decode().split(" ", 1)[1]


def test_a_line_ends_with_values_and_ids() -> None:
    """Values that need it are quoted; a request id that is the trace id is not repeated; places are left out."""
    of = record(order=7, name='a "b"\nc', **{"code.line.number": 3})
    assert text(of) == f'INFO     shop: sold order=7 name="a \\"b\\"\\nc" tier=paid trace_id={TRACE}\n'


def test_stacks_are_indented() -> None:
    """The stack follows, indented; so do further lines of a message."""
    of = record("one\ntwo", **{"exception.type": "E", "exception.stacktrace": "Traceback\n  E\n"})
    assert (
        text(of) == f"INFO     shop: one\n    two exception_type=E tier=paid trace_id={TRACE}\n    Traceback\n      E\n"
    )


def test_control_characters_are_shown() -> None:
    """A client's text can't colour or clear the terminal, nor fake a line of its own."""
    assert "\\x1b[2Jx\\x0d" in text(record("\x1b[2Jx\r"))
    assert "\x1b" not in text(record(agent="\x1b[31m"))


def test_colours_go_by_level() -> None:
    """Red for errors, green for INFO, when asked for."""
    assert b"\x1b[31mINFO    \x1b[0m" in render_text(record(severity=17), colour=True)
    assert b"\x1b[32m" in render_text(record(), colour=True)
    assert b"\x1b" not in render_text(record())
