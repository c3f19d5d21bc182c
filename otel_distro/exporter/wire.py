"""Protobuf on the wire: varints, length-delimited fields, attributes; static parts cached as bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import Struct
from typing import TYPE_CHECKING, Any

from otel_distro.semconv import EVENTS, METRICS, SPANS, Attribute

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

DOUBLE = Struct("<d").pack
FIXED64 = Struct("<Q").pack
_MASK = (1 << 64) - 1
_MAX_CACHED = 4096
_MAX_CACHED_TEXT = 160
_MAX_CACHED_FIELD = 4608
"""A statement's text of 4,096 characters is kept, too."""
_MAX_VALUE = 131072
"""Characters or bytes of one value: what is longer is cut."""
_MAX_DIGITS = 4096
"""Python refuses to write much longer numbers as decimals."""
_SMALL = tuple(bytes((n,)) for n in range(128))


def varint(number: int) -> bytes:
    """A base-128 varint; negative numbers as 64-bit two's complement."""
    if 0 <= number < 128:  # noqa: PLR2004 - one byte
        return _SMALL[number]
    number &= _MASK
    out = bytearray()
    while number > 127:  # noqa: PLR2004
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(tag: bytes, payload: bytes) -> bytes:
    """A length-delimited field: its tag, the payload's length, the payload."""
    size = len(payload)
    return tag + (_SMALL[size] if size < 128 else varint(size)) + payload  # noqa: PLR2004


def text(value: str) -> bytes:
    """UTF-8, lone surrogates replaced."""
    return value.encode("utf-8", "replace")


def any_value(value: Any) -> bytes:
    """The body of an `AnyValue`; None is the empty one."""
    kind = type(value)
    if kind is str:
        return field(b"\x0a", text(value if len(value) <= _MAX_VALUE else value[:_MAX_VALUE]))
    if kind is bool:
        return b"\x10\x01" if value else b"\x10\x00"
    if kind is int:
        return _integer(value)
    if kind is float:
        return b"\x21" + DOUBLE(value)
    if value is None:
        return b""
    return _composite(value)


def _integer(value: int) -> bytes:
    if -(1 << 63) <= value < (1 << 63):
        return b"\x18" + varint(value)
    return field(b"\x0a", (str(value) if value.bit_length() <= _MAX_DIGITS else hex(value)[:_MAX_DIGITS]).encode())


def _composite(value: Any) -> bytes:
    if isinstance(value, bytes):
        return field(b"\x3a", value[:_MAX_VALUE])
    if isinstance(value, Mapping):
        return field(b"\x32", b"".join(field(b"\x0a", _pair(text(str(k)), v)) for k, v in value.items()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return field(b"\x2a", b"".join(field(b"\x0a", any_value(item)) for item in value))
    return field(b"\x0a", text(str(value)))


def _pair(key: bytes, value: Any) -> bytes:
    return field(b"\x0a", key) + field(b"\x12", any_value(value))


def _bounded() -> frozenset[str]:
    """Attribute keys with few values by the catalogue: their encoded fields are worth keeping."""
    declared: list[Attribute] = []
    for signals in (METRICS, SPANS, EVENTS):
        for signal in signals:
            declared += signal.attributes
    return frozenset(attribute.key for attribute in declared if attribute.values or attribute.bound) | _REPEATED


_REPEATED = {
    "code.file.path",
    "code.function.name",
    "code.line.number",
    "db.query.text",
    "user_agent.original",
}
"""Keys that no metric may carry, but whose values come again and again."""


class AttributeFields:
    """Writes repeated `KeyValue` fields under one tag. Whole fields of bounded keys are kept, heads of all keys."""

    __slots__ = ("_heads", "_ints", "_tag", "_texts")

    def __init__(self, tag: bytes) -> None:
        self._tag = tag
        self._texts: dict[tuple[str, str], bytes] = {}
        self._ints: dict[tuple[str, int], bytes] = {}
        self._heads: dict[str, bytes] = {}

    def __call__(self, values: Mapping[str, Any] | None) -> bytes:
        """The fields of these attributes, in their order."""
        if not values:
            return b""
        texts, ints = self._texts, self._ints
        out = []
        for pair in values.items():
            kind = pair[1].__class__
            known = texts.get(pair) if kind is str else ints.get(pair) if kind is int else None
            out.append(known if known is not None else self._written(pair))
        return b"".join(out)

    def _written(self, pair: tuple[str, Any]) -> bytes:
        key, value = pair
        head = self._heads.get(key)
        if head is None:
            head = field(b"\x0a", text(key))
            if len(self._heads) < _MAX_CACHED and len(key) <= _MAX_CACHED_TEXT:
                self._heads[key] = head
        found = field(self._tag, head + field(b"\x12", any_value(value)))
        if key in BOUNDED and len(found) <= _MAX_CACHED_FIELD:
            kept: Any = self._texts if type(value) is str else self._ints if type(value) is int else None
            if kept is not None:
                if len(kept) >= _MAX_CACHED:
                    kept.clear()
                kept[pair] = found
        return found


BOUNDED = _bounded()
_writers: dict[bytes, AttributeFields] = {}


def attributes(tag: bytes, values: Mapping[str, Any] | None) -> bytes:
    """Repeated `KeyValue` fields under one tag."""
    writer = _writers.get(tag)
    if writer is None:
        writer = _writers[tag] = AttributeFields(tag)
    return writer(values)


def resource(value: Resource) -> bytes:
    """A `Resource` as field 1 of its `Resource{Spans,Logs,Metrics}`."""
    return field(b"\x0a", attributes(b"\x0a", value.attributes))


def scope(value: InstrumentationScope) -> bytes:
    """An `InstrumentationScope` as field 1 of its `Scope{Spans,Logs,Metrics}`."""
    body = field(b"\x0a", text(value.name))
    if value.version:
        body += field(b"\x12", text(value.version))
    return field(b"\x0a", body + attributes(b"\x1a", value.attributes))


def request(resource_bytes: bytes, scopes: list[bytes], schema_url: str | None) -> bytes:
    """An export request of any signal: one resource, its scopes' bodies, the resource's schema."""
    body = resource_bytes + b"".join([field(b"\x12", one) for one in scopes])
    if schema_url:
        body += field(b"\x1a", text(schema_url))
    return field(b"\x0a", body)
