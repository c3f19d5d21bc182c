"""What is given up first when memory becomes scarce: DEBUG lines, then what was sampled out, errors last."""

from __future__ import annotations

import logging
from bisect import bisect_right
from time import monotonic
from typing import Any

from opentelemetry.trace import StatusCode

from otel_distro.pipeline.span import Span
from otel_distro.record import LogRecord

_logger = logging.getLogger("otel_distro")
_FROM = (0.5, 0.75, 0.9)
"""How full a buffer is where each level begins."""
NOTHING, DEBUG, UNSAMPLED, ALL_BUT_ERRORS = range(4)
"""Levels: each gives up what those before it do, too."""
_INFO, _ERROR = 9, 17
_QUIET_SECONDS = 60.0


def level_of(use: float) -> int:
    """The level for a buffer that is so full, from 0 to 1."""
    return bisect_right(_FROM, use)


def is_kept(record: Any, level: int) -> bool:
    """Whether a record is worth its memory at this level; measurements are, as they are small."""
    if record.__class__ is LogRecord:
        return bool(record.severity_number >= (_INFO if level < ALL_BUT_ERRORS else _ERROR))
    return record.__class__ is not Span or _is_span_kept(record, level)


def _is_span_kept(span: Span, level: int) -> bool:
    if level < UNSAMPLED or span._status.status_code is StatusCode.ERROR:  # noqa: SLF001 - the record's field
        return True
    return level == UNSAMPLED and span.sampled


class Shedding:
    """Says so: one line when something is given up, one when nothing is any more; within a minute one at most."""

    def __init__(self) -> None:
        self._told = False
        self._quiet_until = 0.0

    def look(self, level: int) -> None:
        """Called now and then with the level as it is."""
        scarce = level > NOTHING
        if scarce == self._told or monotonic() < self._quiet_until:
            return
        self._told, self._quiet_until = scarce, monotonic() + _QUIET_SECONDS
        if scarce:
            _logger.warning(
                "telemetry comes faster than it leaves, memory for it (OTEL_DISTRO_BUFFER_BYTES) is scarce: "
                "DEBUG lines are dropped first, then spans of traces that were sampled out, errors last"
            )
        else:
            _logger.warning("memory for telemetry suffices again, nothing is dropped for it")
