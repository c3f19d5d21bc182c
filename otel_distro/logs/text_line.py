"""Log records as text for people."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from otel_distro.logs.json_line import SHORT
from otel_distro.semconv.attributes import EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE, REQUEST_ID

if TYPE_CHECKING:
    from otel_distro.record import LogRecord, Value

_HIDDEN = frozenset(
    {
        "code.file.path",
        "code.function.name",
        "code.line.number",
        "code.stacktrace",
        EXCEPTION_MESSAGE.key,
        EXCEPTION_STACKTRACE.key,
    }
)
_STACKS = ("code.stacktrace", EXCEPTION_STACKTRACE.key)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BARE = re.compile(r"[^\s\"=]+\Z")
_INDENT = "    "
_NANO = 10**9
_WARNING, _ERROR, _INFO = 13, 17, 9
_RED, _YELLOW, _GREEN, _DIM, _RESET = "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[2m", "\x1b[0m"


def render_text(record: LogRecord, *, colour: bool = False) -> bytes:
    """Time, level, logger, message, values and ids in one line with its newline; the stack is indented below."""
    moment = datetime.fromtimestamp(record.time_unix_nano / _NANO).astimezone()
    level = f"{record.severity_text[:8]:8}"
    head = f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d} {_painted(level, _colour(record), colour)} {record.scope}: "
    tail = " ".join(_pairs(record))
    text = head + _shown(record.body) + (f" {_painted(tail, _DIM, colour)}" if tail else "")
    attributes = record.attributes or {}
    stacks = [_INDENT + _shown(str(attributes[key]).rstrip()) for key in _STACKS if key in attributes]
    return "\n".join((text, *stacks, "")).encode("utf-8", "backslashreplace")


def _pairs(record: LogRecord) -> list[str]:
    pairs = [
        f"{SHORT.get(k, k)}={_value(v)}" for k, v in (record.attributes or {}).items() if k not in _HIDDEN
    ]
    trace_id = f"{record.trace_id:032x}" if record.trace_id else None
    for key, value in (record.fields or {}).items():
        if key != REQUEST_ID.key or value != trace_id:
            pairs.append(f"{SHORT.get(key, key)}={_value(value)}")
    return [*pairs, f"trace_id={trace_id}"] if trace_id else pairs


def _value(value: Value) -> str:
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return text if _BARE.match(text) else '"' + _shown(text).replace("\n", "\\n").replace('"', '\\"') + '"'


def _shown(text: str) -> str:
    """Line ends indented, and control characters made visible: a client's text must not steer the terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", text).replace("\n", f"\n{_INDENT}")


def _colour(record: LogRecord) -> str:
    number = record.severity_number
    return (
        _RED if number >= _ERROR else _YELLOW if number >= _WARNING else _GREEN if number >= _INFO else _DIM
    )


def _painted(text: str, colour: str, on: bool) -> str:  # noqa: FBT001 - private, read at the call
    return f"{colour}{text}{_RESET}" if on else text
