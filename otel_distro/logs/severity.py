"""Numeric levels of the logging libraries as OpenTelemetry severity numbers."""

from __future__ import annotations

_UNSPECIFIED = 0
_FATAL4 = 24
_WIDTH = 10
_LAST = 3


def severity(level: int) -> int:
    """DEBUG is 5, INFO 9, WARNING 13, ERROR 17, CRITICAL 21; levels between them keep their order."""
    if level <= 0:
        return _UNSPECIFIED
    tens, above = divmod(level, _WIDTH)
    return min(_FATAL4, 1 + 4 * tens + min(_LAST, above))
