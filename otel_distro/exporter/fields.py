"""Protobuf read back: a message's fields and where they are, without decoding what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MAX_SHIFT = 63


class Field(NamedTuple):
    """A field's number, its value when that is a varint, and where its tag, its content and the next field begin."""

    number: int
    value: int
    tag: int
    begin: int
    end: int


def fields(message: bytes) -> Iterator[Field]:
    """The fields in their order; ValueError when the bytes are no message."""
    at, size = 0, len(message)
    while at < size:
        tag = at
        key, at = _varint(message, at)
        kind, value, begin = key & 7, 0, at
        if kind == _VARINT:
            value, at = _varint(message, at)
        elif kind == _LENGTH:
            length, begin = _varint(message, at)
            at = begin + length
        elif kind in {_FIXED64, _FIXED32}:
            at += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("a field of no known kind")
        if at > size or not key >> 3:
            raise ValueError("a field beyond the message's end, or without a number")
        yield Field(key >> 3, value, tag, begin, at)


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift <= _MAX_SHIFT:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:  # noqa: PLR2004 - the last one has no continuation bit
            return value, at
        shift += 7
    raise ValueError("a number without end")


class Partial(NamedTuple):
    """What a receiver says of a request that it took in part: items rejected, and why."""

    rejected: int = 0
    message: str = ""


def partial_success(answer: bytes) -> Partial:
    """The `partial_success` of an export response, the same for all signals; what can't be read says nothing."""
    rejected, message = 0, ""
    try:
        for outer in fields(answer):
            if outer.number != 1:
                continue
            inside = answer[outer.begin : outer.end]
            for one in fields(inside):
                if one.number == 1:
                    rejected = one.value if one.value < 1 << 63 else 0  # a negative number is nonsense
                elif one.number == 2:  # noqa: PLR2004 - error_message
                    message = inside[one.begin : one.end].decode("utf-8", "replace")
    except ValueError:
        return Partial()
    return Partial(rejected, message)


def status_message(status: bytes) -> str:
    """The words of a `google.rpc.Status`; empty when they can't be read."""
    try:
        return "".join(words.decode("utf-8", "replace") for words in _inside(status, 2))
    except ValueError:
        return ""


def retry_delay(details: bytes) -> float | None:
    """The seconds of the `RetryInfo` in a `google.rpc.Status`; None when it has none that can be read."""
    try:
        for detail in _inside(details, 3):
            names = _inside(detail, 1)
            if names and names[0].endswith(b"/google.rpc.RetryInfo"):
                return _duration(_inside(detail, 2))
    except ValueError:
        return None
    return None


def _inside(message: bytes, number: int) -> list[bytes]:
    return [message[one.begin : one.end] for one in fields(message) if one.number == number]


def _duration(retry_info: list[bytes]) -> float:
    """`RetryInfo.retry_delay`: seconds and nanoseconds; negative ones, and none, are no wait."""
    delay = [part for info in retry_info for part in _inside(info, 1)]
    found = {one.number: one.value for one in fields(delay[0])} if delay else {}
    if any(value >= 1 << 63 for value in found.values()):
        return 0.0
    return found.get(1, 0) + found.get(2, 0) / 1e9
