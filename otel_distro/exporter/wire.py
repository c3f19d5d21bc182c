"""Protobuf on the wire: varints, length-delimited fields, attributes; static parts cached as bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import Struct
from typing import TYPE_CHECKING, Any

from otel_distro.record import Fixed

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    Buffer = bytes | bytearray

DOUBLE = Struct("<d").pack
FIXED64 = Struct("<Q").pack
_MASK = (1 << 64) - 1
_MAX_KEPT = 1024
_MAX_KEPT_TEXT = 256
_SHORT = 120
_MAX_VALUE = 131072
"""Characters or bytes of one value: what is longer is cut."""
_MAX_DIGITS = 4096
"""Python refuses to write much longer numbers as decimals."""
SMALL = tuple(bytes((n,)) for n in range(128))


def varint(number: int) -> bytes:
    """A base-128 varint; negative numbers as 64-bit two's complement."""
    return _VARINTS.get(number) or _varint(number)


_VARINTS = dict(enumerate(SMALL))
"""Those of one byte, and larger ones as they come: lengths and sizes repeat."""


def _varint(number: int) -> bytes:
    left = number & _MASK
    out = bytearray()
    while left > 127:  # noqa: PLR2004
        out.append(left & 127 | 128)
        left >>= 7
    out.append(left)
    found = bytes(out)
    if 0 <= number < _MAX_KEPT:
        _VARINTS[number] = found
    return found


def field(tag: bytes, payload: bytes) -> bytes:
    """A length-delimited field: its tag, the payload's length, the payload."""
    size = len(payload)
    return tag + (_VARINTS.get(size) or _varint(size)) + payload


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


class Pairs:
    """`KeyValue`s as fields without their tag, so that one serves attributes of spans, log records and metrics.

    Texts are kept for a while: most attributes come again and again, and a request's id is written several times.
    """

    __slots__ = ("_heads", "_ints", "_kept")

    def __init__(self) -> None:
        self._kept: dict[tuple[str, Any], bytes] = {}
        self._ints: dict[tuple[str, int], bytes] = {}
        self._heads: dict[str, bytes] = {}

    def joined(self, tag: bytes, values: Mapping[str, Any]) -> bytes:
        """The fields of these attributes under a tag, in their order."""
        pairs = values.items()
        try:
            known = list(map(self._kept.get, pairs))  # texts only: no other value is equal to one
        except TypeError:  # a list or mapping among them
            known = [None] * len(pairs)
        ints = self._ints
        return tag + tag.join(
            [
                found or (ints.get(pair) if pair[1].__class__ is int else None) or self._written(pair)
                for found, pair in zip(known, pairs)  # noqa: B905 - equally long
            ]
        )

    def _written(self, pair: tuple[str, Any]) -> bytes:
        key, value = pair
        head = self._heads.get(key) or self._head(key)
        if value.__class__ is int:
            found = _sized(head + _sized(_integer(value)))
            if len(self._ints) >= _MAX_KEPT:
                self._ints.clear()
            self._ints[pair] = found
            return found
        if value.__class__ is not str or len(value) > _MAX_KEPT_TEXT:
            return _sized(head + _sized(any_value(value)))
        data = value.encode("utf-8", "replace")
        size = len(data)
        if size + len(head) < _SHORT:  # each length is one byte
            body = head + SMALL[size + 2] + b"\x0a" + SMALL[size] + data
            found = SMALL[len(body)] + body
        else:
            found = _sized(head + _sized(b"\x0a" + _sized(data)))
        if len(self._kept) >= _MAX_KEPT:
            self._kept.clear()
        self._kept[pair] = found
        return found

    def _head(self, key: str) -> bytes:
        head = field(b"\x0a", text(key)) + b"\x12"
        if len(self._heads) < _MAX_KEPT and len(key) <= _MAX_KEPT_TEXT:
            self._heads[key] = head
        return head


def _sized(body: bytes) -> bytes:
    size = len(body)
    return (_VARINTS.get(size) or _varint(size)) + body


_pairs = Pairs()


def attributes(tag: bytes, values: Mapping[str, Any] | None) -> bytes:
    """Repeated `KeyValue` fields under one tag; kept on attributes that are `Fixed`."""
    if not values:
        return b""
    if values.__class__ is not Fixed:
        return _pairs.joined(tag, values)
    kept: dict[Any, bytes] = values.kept
    found = kept.get(tag)
    if found is None:
        found = kept[tag] = _pairs.joined(tag, values)
    return found


def resource(value: Resource) -> bytes:
    """A `Resource` as field 1 of its `Resource{Spans,Logs,Metrics}`."""
    return field(b"\x0a", attributes(b"\x0a", value.attributes))


def scope(value: InstrumentationScope) -> bytes:
    """An `InstrumentationScope` as field 1 of its `Scope{Spans,Logs,Metrics}`."""
    body = field(b"\x0a", text(value.name))
    if value.version:
        body += field(b"\x12", text(value.version))
    return field(b"\x0a", body + attributes(b"\x1a", value.attributes))


def request(resource_bytes: bytes, scopes: Sequence[Sequence[Buffer]], schema_url: str | None) -> bytes:
    """An export request of any signal: one resource, its scopes' bodies in parts, the resource's schema.

    Copied once: a full batch is a tenth of a megabyte, and the pipeline's slices are short.
    """
    parts: list[Buffer] = [resource_bytes]
    for scope_parts in scopes:
        parts += (b"\x12", varint(sum(map(len, scope_parts))), *scope_parts)
    if schema_url:
        parts.append(field(b"\x1a", text(schema_url)))
    return b"".join((b"\x0a", varint(sum(map(len, parts))), *parts))
