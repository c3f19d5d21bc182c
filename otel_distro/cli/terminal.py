"""What goes to the terminal: telemetry is untrusted text, so control characters never reach it."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import DataclassInstance

USAGE = 2
# C0 and C1 controls, line and paragraph separators, and what turns the writing direction.
HIDDEN = frozenset(
    {*range(0x20), *range(0x7F, 0xA0), 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF}
)
CLEAN = dict.fromkeys(HIDDEN, "\N{MIDDLE DOT}") | {0x09: " ", 0x0A: " ", 0x0D: " "}


class CommandError(Exception):
    """A command cannot go on; the text is one line for the user."""

    def __init__(self, message: str, code: int = USAGE) -> None:
        """Keep the text and the exit code."""
        super().__init__(message)
        self.code = code


def prepare() -> None:
    """Let output that the terminal's encoding lacks be escaped rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def clean(text: object) -> str:
    """Return text as one line without control characters."""
    return str(text).translate(CLEAN)


def clean_lines(text: str) -> list[str]:
    """Return text as its lines, each without control characters."""
    return [clean(line) for line in text.splitlines()]


def cut(text: object, size: int) -> str:
    """Return clean text of at most `size` characters."""
    cleaned = clean(text)
    return cleaned if len(cleaned) <= size else f"{cleaned[: size - 3]}..."


def say(line: str = "") -> None:
    """Write one line to stdout."""
    sys.stdout.write(f"{line}\n")


def tell(line: str = "") -> None:
    """Write one line to stderr: progress, which is no result."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def complain(message: str) -> None:
    """Write an error to stderr."""
    tell(f"otel-distro: {clean(message)}")


def say_json(value: DataclassInstance | dict[str, Any]) -> None:
    """Write one JSON object on one line, in ASCII."""
    say(json.dumps(value if isinstance(value, dict) else asdict(value), default=str))


def clock(time_ns: int) -> str:
    """Return a time of day with milliseconds, in local time."""
    return datetime.fromtimestamp(time_ns / 1e9).astimezone().strftime("%H:%M:%S.%f")[:-3]


def milliseconds(value: float) -> str:
    """Return a duration for reading."""
    return f"{value:,.1f} ms"


def table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Write rows in columns; the last column is not padded."""
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    for row in (heads, *rows):
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
