"""Numeric levels of the logging libraries as OpenTelemetry severity numbers."""

from __future__ import annotations

_UNSPECIFIED = 0
_FATAL4 = 24
_WIDTH = 10
_LAST = 3
_USUAL = {10: 5, 20: 9, 30: 13, 40: 17, 50: 21}


def severity(level: int) -> int:
    """DEBUG is 5, INFO 9, WARNING 13, ERROR 17, CRITICAL 21; levels between them keep their order."""
    known = _USUAL.get(level)
    if known is not None:
        return known
    if level <= 0:
        return _UNSPECIFIED
    tens, above = divmod(level, _WIDTH)
    return min(_FATAL4, 1 + 4 * tens + min(_LAST, above))
