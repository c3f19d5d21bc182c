"""Records that the application asks for itself, by `capture_exception`, `capture_message` and `breadcrumb`."""

from __future__ import annotations

import logging
import sys
from time import time_ns
from typing import TYPE_CHECKING

from otel_distro.errors.record import record_exception
from otel_distro.logs.call import deliver
from otel_distro.logs.severity import severity
from otel_distro.logs.value import MAX_BODY, add, cut
from otel_distro.record import LogRecord
from otel_distro.semconv.errors import BREADCRUMB_EVENT, CATEGORY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_distro.record import Value

SCOPE = "otel_distro.capture"
_MAX_CATEGORY = 64
_DEBUG = 5


def exception(error: BaseException | None, context: Mapping[str, object]) -> None:
    """The exception given, or the one that is being handled; nothing where there is none."""
    found = sys.exc_info()[1] if error is None else error
    if found is not None:
        record_exception(found, SCOPE, handled=True, context=_values(context))


def text(message: str, level: str, context: Mapping[str, object]) -> None:
    """A line of this level; an unknown level is that of an error."""
    number = logging.getLevelName(level.upper())
    if not isinstance(number, int):
        number = logging.ERROR
    name = logging.getLevelName(number)
    record = LogRecord(time_ns(), severity(number), name, SCOPE, cut(str(message), MAX_BODY))
    record.attributes = _values(context)
    deliver(record, None)


def step(message: str, category: str, data: Mapping[str, object]) -> None:
    """A step that only the trail keeps."""
    record = LogRecord(
        time_ns(),
        _DEBUG,
        "DEBUG",
        SCOPE,
        cut(str(message), MAX_BODY),
        attributes={CATEGORY.key: str(category)[:_MAX_CATEGORY], **_values(data)},
        event_name=BREADCRUMB_EVENT.name,
        console=False,
        export=False,
    )
    deliver(record, None)


def _values(given: Mapping[str, object]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    add(found, given.items())
    return found
