"""Log records as lines of JSON.

What comes again is kept as text: who logs at which level, the service, the fields of the work in hand, attributes.
Records in which two names meet are rare, and rendered as a whole.
"""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from otel_distro.logs.value import PREFIX
from otel_distro.native import extension
from otel_distro.record import Fixed
from otel_distro.semconv.attributes import EVENT_FIELDS, LOG_FIELDS, WORK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_distro.record import LogRecord, Value

SHORT = {field.key: field.short or field.key for field in (*LOG_FIELDS, *EVENT_FIELDS)}
"""Console name of each of our keys."""
_SERVICE = ("service.name", "service.version", "deployment.environment.name")
_HEAD = ("timestamp", "level", "logger", "message")
_AMBIGUOUS = frozenset({*_HEAD, *SHORT.values(), *_SERVICE, *(attribute.key for attribute in WORK)})
"""Names that an app's value may share with one of ours; our own attributes have none of them as keys."""
_NANO, _MILLI = 10**9, 10**6
_MAX_KEPT = 1024
_MAX_KEPT_TEXT = 256
_MAX_FIELDS = 64
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode
_quoted = json.encoder.encode_basestring


@lru_cache(maxsize=8)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def timestamp(time_unix_nano: int) -> str:
    """ISO 8601 in UTC with milliseconds."""
    seconds, rest = divmod(time_unix_nano, _NANO)
    return f"{_second(seconds)}.{rest // _MILLI:03d}Z"


def json_lines(resource_fields: Mapping[str, Value]) -> Callable[[LogRecord], bytes]:
    """What renders log records of one resource: native where that was built, else its Python twin."""
    twin, native = JsonLines(resource_fields), extension()
    if native is None:
        return twin
    render: Callable[[LogRecord], bytes] = native.Lines(twin, twin.tail, SHORT, _AMBIGUOUS).render
    return render


class JsonLines:
    """Renders log records of one resource: ours by short names first, then the app's values, the stack last."""

    def __init__(self, resource_fields: Mapping[str, Value]) -> None:
        self._service = {SHORT[key]: resource_fields[key] for key in _SERVICE if key in resource_fields}
        self._tail = "".join(f",{_quoted(name)}:{_encode(value)}" for name, value in self._service.items())
        self.tail = self._tail.encode("utf-8", "backslashreplace")
        """The resource's part of each line."""
        self._heads: dict[tuple[str, str], str] = {}
        self._names: dict[str, str] = {}
        self._kept: dict[tuple[str, Any], str] = {}
        self._ints: dict[tuple[str, int], str] = {}
        self._last: dict[int, tuple[Mapping[str, Value], str]] = {}

    def __call__(self, record: LogRecord) -> bytes:
        """One line with its newline."""
        attributes = record.attributes
        if attributes and not _AMBIGUOUS.isdisjoint(attributes):
            return self.whole(record)
        head = self._heads.get((record.severity_text, record.scope)) or self._head(record)
        ids = f',"trace_id":"{record.trace_id:032x}","span_id":"{record.span_id:016x}"' if record.trace_id else ""
        fields = self._fields(record.fields) if record.fields else ""
        return (
            f'{{"timestamp":"{timestamp(record.time_unix_nano)}{head}{_quoted(record.body)}{ids}{fields}'
            f"{self._tail}{self._attributes(attributes) if attributes else ''}}}\n"
        ).encode("utf-8", "backslashreplace")  # what a lone surrogate becomes is an escape that JSON knows

    def _fields(self, fields: Mapping[str, Value]) -> str:
        """Those of the work in hand: one object for its lines."""
        known = self._last.get(id(fields))
        if known is None:
            if len(self._last) >= _MAX_FIELDS:
                self._last.clear()
            known = self._last[id(fields)] = (fields, self._pairs(fields))  # kept, so that the id stays its own
        return known[1]

    def whole(self, record: LogRecord) -> bytes:
        """The same line by its names: a value of the app that is called like one of our fields gets a prefix."""
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
        line.update(self._service)
        for key, value in (record.attributes or {}).items():
            name = SHORT.get(key, key)
            line[name if name not in line else PREFIX + name] = _jsonable(value)
        return _encode(line).encode("utf-8", "backslashreplace") + b"\n"

    def _head(self, record: LogRecord) -> str:
        if len(self._heads) >= _MAX_KEPT:
            self._heads.clear()
        head = f'","level":{_quoted(record.severity_text)},"logger":{_quoted(record.scope)},"message":'
        self._heads[record.severity_text, record.scope] = head
        return head

    def _attributes(self, attributes: Mapping[str, Value]) -> str:
        if attributes.__class__ is not Fixed:
            return self._pairs(attributes)
        kept: dict[Any, str] = attributes.kept
        found = kept.get(self)
        if found is None:
            found = kept[self] = self._pairs(attributes)
        return found

    def _pairs(self, values: Mapping[str, Value]) -> str:
        pairs = values.items()
        try:
            known = list(map(self._kept.get, pairs))  # texts only: no other value is equal to one
        except TypeError:  # a list among them
            known = [None] * len(pairs)
        ints = self._ints
        return "".join(
            [
                found or (ints.get(pair) if pair[1].__class__ is int else None) or self._pair(*pair)  # type: ignore[arg-type]
                for found, pair in zip(known, pairs)  # noqa: B905 - equally long
            ]
        )

    def _pair(self, key: str, value: Any) -> str:
        name = self._names.get(key) or self._name(key)
        kind = value.__class__
        if kind is int:
            text = f"{name}{value}"
            if len(self._ints) >= _MAX_KEPT:
                self._ints.clear()
            self._ints[key, value] = text
            return text
        if kind is float and math.isfinite(value):
            return f"{name}{value!r}"
        if kind is not str:
            return name + _encode(_jsonable(value))
        text = name + _quoted(value)
        if len(text) <= _MAX_KEPT_TEXT:
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            self._kept[key, value] = text
        return text

    def _name(self, key: str) -> str:
        name = f",{_quoted(SHORT.get(key, key))}:"
        if len(self._names) < _MAX_KEPT and len(name) <= _MAX_KEPT_TEXT:
            self._names[key] = name
        return name


def _jsonable(value: Value) -> object:
    kind = type(value)
    if kind is str or kind is int or kind is bool:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return [_jsonable(item) for item in value] if isinstance(value, (tuple, list)) else value
