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
_NANO, _MILLI = 10**9, 10**6
_DIM, _RESET = "\x1b[2m", "\x1b[0m"
_COLOURS = ((17, "\x1b[31m"), (13, "\x1b[33m"), (9, "\x1b[32m"))
"""Red from ERROR on, yellow from WARNING, green from INFO; the rest is dim."""


def render_text(record: LogRecord, *, colour: bool = False) -> bytes:
    """One line with its newline: time, level, logger, message, values and ids; a stack is indented below."""
    seconds, nanos = divmod(record.time_unix_nano, _NANO)
    moment = datetime.fromtimestamp(seconds).astimezone()
    level = _painted(f"{record.severity_text[:8]:8}", _colour(record.severity_number) if colour else "")
    tail = " ".join(_pairs(record))
    text = f"{moment:%H:%M:%S}.{nanos // _MILLI:03d} {level} {record.scope}: {_shown(record.body)}"
    if tail:
        text = f"{text} {_painted(tail, _DIM if colour else '')}"
    attributes = record.attributes or {}
    stacks = [_INDENT + _shown(str(attributes[key]).rstrip()) for key in _STACKS if key in attributes]
    return "\n".join((text, *stacks, "")).encode("utf-8", "backslashreplace")


def _pairs(record: LogRecord) -> list[str]:
    trace_id = f"{record.trace_id:032x}" if record.trace_id else ""
    attributes = {key: value for key, value in (record.attributes or {}).items() if key not in _HIDDEN}
    # a request id that is the trace id says nothing more
    fields = {k: v for k, v in (record.fields or {}).items() if k != REQUEST_ID.key or v != trace_id}
    pairs = {**attributes, **fields, **({"trace_id": trace_id} if trace_id else {})}
    return [f"{_shown(SHORT.get(key, key))}={_value(value)}" for key, value in pairs.items()]


def _value(value: Value) -> str:
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    if _BARE.match(text):
        return _shown(text)
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{_shown(quoted)}"'


def _shown(text: str) -> str:
    """Line ends indented, and control characters made visible: a client's text must not steer a terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", text).replace("\n", f"\n{_INDENT}")


def _colour(severity: int) -> str:
    return next((colour for least, colour in _COLOURS if severity >= least), _DIM)


def _painted(text: str, colour: str) -> str:
    return f"{colour}{text}{_RESET}" if colour else text
