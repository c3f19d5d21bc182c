"""Carrying the work in hand over a message: headers out at publish, work back in at the consumer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_distro.context.work import Work, current_fields
from otel_distro.semconv.attributes import WORK

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER = "otel_distro"
"""Message header whose value maps field keys to text."""

_MAX_VALUE = 256
_KEYS = tuple(attribute.key for attribute in WORK)


def fields_out(now_ns: int) -> dict[str, str]:
    """The fields of the work in hand, ready for a message header."""
    return dict(current_fields(now_ns))


def work_in(headers: Mapping[str, Any] | None) -> Work:
    """New work from a message's headers; anything but short text under known keys is left out."""
    carried = (headers or {}).get(HEADER)
    if not isinstance(carried, dict):
        return Work()
    return Work({k: v for k, v in carried.items() if k in _KEYS and isinstance(v, str) and len(v) <= _MAX_VALUE})
