"""A spool file's format: frames one after the other, each a header with checksums and one export request as it was."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple
from zlib import crc32

from otel_distro.config import SIGNALS

_MAGIC = b"OTD1"
_STATE = Struct("!c")
_FIELDS = Struct("!4sBIIdI")
_CHECK = Struct("!I")
_HEAD = _STATE.size + _FIELDS.size + _CHECK.size
_WAITING = b"W"
SENT = b"S"
"""What is written over a frame's first byte once it has left; the byte is outside the checksums."""


class Frame(NamedTuple):
    """One export request, how many items it carries, when it was made (seconds since 1970), where it begins."""

    payload: bytes
    items: int
    created: float
    offset: int = 0


class Contents(NamedTuple):
    """The frames of a file that have not left, and how many items can't be read any more (1 where nobody knows)."""

    frames: list[Frame]
    unreadable: int


class _Header(NamedTuple):
    state: bytes
    length: int
    items: int
    created: float
    checksum: int


def encode(signal: str, frame: Frame) -> bytes:
    """The bytes of a frame that waits."""
    size, checksum = len(frame.payload), crc32(frame.payload)
    fields = _FIELDS.pack(_MAGIC, SIGNALS.index(signal), size, frame.items, frame.created, checksum)
    return b"".join((_WAITING, fields, _CHECK.pack(crc32(fields)), frame.payload))


def decode(signal: str, data: bytes) -> Contents:
    """What a file holds of a signal; a frame cut short by a crash or damaged since costs itself only.

    Behind a damaged header nothing is found any more: how long its frame was is not known.
    """
    frames: list[Frame] = []
    unreadable = offset = 0
    while offset < len(data):
        header = _header(signal, data, offset)
        if header is None:
            unreadable += 1
            break
        begin = offset + _HEAD
        payload = data[begin : begin + header.length]
        if header.state == _WAITING:
            if len(payload) == header.length and crc32(payload) == header.checksum:
                frames.append(Frame(payload, header.items, header.created, offset))
            else:
                unreadable += header.items
        offset = begin + header.length
    return Contents(frames, unreadable)


def _header(signal: str, data: bytes, offset: int) -> _Header | None:
    end = offset + _HEAD
    fields = data[offset + _STATE.size : end - _CHECK.size]
    if end > len(data) or data[end - _CHECK.size : end] != _CHECK.pack(crc32(fields)):
        return None
    magic, number, length, items, created, checksum = _FIELDS.unpack(fields)
    if magic != _MAGIC or number != SIGNALS.index(signal):
        return None
    return _Header(data[offset : offset + _STATE.size], length, items, created, checksum)
