"""The standard limits of log records' attributes, as far as they are set."""

from __future__ import annotations

import copy
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_distro.config import Settings
    from otel_distro.record import LogRecord, Value


def limiter(settings: Settings) -> Callable[[LogRecord], LogRecord] | None:
    """Makes the record to export, a copy when something is cut; None without limits.

    The fields of the work in hand (request id, user, ...) do not count: without them a line is of no request.
    """
    count = _first(settings.log_attribute_count, settings.attribute_count)
    length = _first(settings.log_attribute_length, settings.attribute_length)
    if count is None and length is None:
        return None

    def limited(record: LogRecord) -> LogRecord:
        if not record.attributes:
            return record
        made = copy.copy(record)  # its console line may yet be due
        made.attributes = {key: _cut(value, length) for key, value in islice(record.attributes.items(), count)}
        return made

    return limited


def _first(own: int | None, general: int | None) -> int | None:
    return general if own is None else own


def _cut(value: Value, length: int | None) -> Value:
    if length is None:
        return value
    if isinstance(value, (str, bytes)):
        return value[:length]
    if isinstance(value, (list, tuple)):
        return tuple(item[:length] if isinstance(item, (str, bytes)) else item for item in value)
    return value
