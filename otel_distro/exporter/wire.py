"""Protobuf on the wire: varints, length-delimited fields, attributes; static parts cached as bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import Struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

DOUBLE = Struct("<d").pack
FIXED64 = Struct("<Q").pack
_MASK = (1 << 64) - 1
_MAX_CACHED = 16384
_MAX_CACHED_TEXT = 160
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


_pairs: dict[tuple[str, str], bytes] = {}
_keys: dict[str, bytes] = {}


def key_value(key: str, value: Any) -> bytes:
    """The body of a `KeyValue`; cached for text, which repeats."""
    if type(value) is str:
        found = _pairs.get((key, value))
        if found is None:
            found = _pair(text(key), value)
            if len(value) + len(key) <= _MAX_CACHED_TEXT:
                if len(_pairs) >= _MAX_CACHED:
                    _pairs.clear()
                _pairs[key, value] = found
        return found
    head = _keys.get(key)
    if head is None:
        head = field(b"\x0a", text(key))
        if len(key) <= _MAX_CACHED_TEXT:
            if len(_keys) >= _MAX_CACHED:
                _keys.clear()
            _keys[key] = head
    return head + field(b"\x12", any_value(value))


def attributes(tag: bytes, values: Mapping[str, Any] | None) -> bytes:
    """Repeated `KeyValue` fields under one tag."""
    if not values:
        return b""
    return b"".join([field(tag, key_value(key, value)) for key, value in values.items()])


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
