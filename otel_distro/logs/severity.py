"""Numeric levels of the logging libraries as OpenTelemetry severity numbers."""

from __future__ import annotations

_UNSPECIFIED = 0
_FATAL4 = 24
_WIDTH = 10
_LAST = 3


def severity(level: int) -> int:
    """DEBUG 10 is 5, INFO 20 is 9, WARNING 30 is 13, ERROR 40 is 17, CRITICAL 50 is 21; levels between keep their order."""
    if level <= 0:
        return _UNSPECIFIED
    tens, above = divmod(level, _WIDTH)
    return min(_FATAL4, 1 + 4 * tens + min(_LAST, above))
