"""Log records as lines of JSON."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

from otel_distro.logs.value import PREFIX
from otel_distro.semconv.attributes import EVENT_FIELDS, LOG_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_distro.record import LogRecord, Value

SHORT = {field.key: field.short or field.key for field in (*LOG_FIELDS, *EVENT_FIELDS)}
"""Console name of each of our keys."""
_SERVICE = ("service.name", "service.version", "deployment.environment.name")
_NANO, _MILLI = 10**9, 10**6
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


def _by_json(line: dict[str, object]) -> bytes:
    # what a lone surrogate becomes is an escape that JSON knows
    return _encode(line).encode("utf-8", "backslashreplace") + b"\n"


def _by_orjson() -> Callable[[dict[str, object]], bytes]:
    try:
        orjson = import_module("orjson")
    except ImportError:
        return _by_json

    def dumps(line: dict[str, object]) -> bytes:
        try:
            return bytes(orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE))
        except TypeError:  # a lone surrogate
            return _by_json(line)

    return dumps


class _Writer:
    """Looks for orjson on the first line, not on import."""

    __slots__ = ("dumps",)

    def __init__(self) -> None:
        self.dumps: Callable[[dict[str, object]], bytes] | None = None

    def __call__(self, line: dict[str, object]) -> bytes:
        if self.dumps is None:
            self.dumps = _by_orjson()
        return self.dumps(line)


_write = _Writer()


@lru_cache(maxsize=8)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def timestamp(time_unix_nano: int) -> str:
    """ISO 8601 in UTC with milliseconds."""
    seconds, rest = divmod(time_unix_nano, _NANO)
    return f"{_second(seconds)}.{rest // _MILLI:03d}Z"


def render_json(record: LogRecord, resource_fields: Mapping[str, Value]) -> bytes:
    """One line of JSON with its newline: ours by short names first, then the app's values, the stack last."""
    line: dict[str, object] = {
        "timestamp": timestamp(record.time_unix_nano),
        "level": record.severity_text,
        "logger": record.scope,
        "message": record.body,
    }
    if record.trace_id:
        line["trace_id"] = f"{record.trace_id:032x}"
        line["span_id"] = f"{record.span_id:016x}"
    for key, value in (record.fields or {}).items():
        line[SHORT.get(key, key)] = value
    for key in _SERVICE:
        if key in resource_fields:
            line[SHORT[key]] = resource_fields[key]
    for key, value in (record.attributes or {}).items():
        name = SHORT.get(key, key)
        line[name if name not in line else PREFIX + name] = _jsonable(value)
    return _write(line)


def _jsonable(value: Value) -> object:
    kind = type(value)
    if kind is str or kind is int or kind is bool:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return [_jsonable(item) for item in value] if isinstance(value, (tuple, list)) else value
