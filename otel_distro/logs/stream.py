"""Which streams are the console, and which kind of lines it gets."""

from __future__ import annotations

import os
import sys

STDOUT, STDERR = 1, 2
_DEVICES = frozenset(
    f"{folder}{name}"
    for folder, names in (
        ("/dev/", ("stdout", "stderr")),
        ("/dev/fd/", "12"),
        ("/proc/1/fd/", "12"),
        ("/proc/self/fd/", "12"),
    )
    for name in names
)


def is_console(stream: object) -> bool:
    """True for a stream that ends in stdout or stderr, however it is wrapped; not for a captured one."""
    try:
        return stream.fileno() in (STDOUT, STDERR)  # type: ignore[attr-defined]
    except (AttributeError, OSError, TypeError, ValueError):
        return False


def is_console_path(path: object) -> bool:
    """True for the device files that stand for stdout and stderr."""
    return path in _DEVICES


def stdout_descriptor() -> int | None:
    """The descriptor of stdout, not of what the app put in place of `sys.stdout` (Celery: a logger)."""
    try:
        return sys.__stdout__.fileno()  # type: ignore[union-attr]
    except (AttributeError, OSError, ValueError):
        return None


def line_format(setting: str) -> str:
    """`json`, `text` or `app` for OTEL_DISTRO_LOG_FORMAT: auto is text on a terminal, else json."""
    if setting != "auto":
        return setting
    descriptor = stdout_descriptor()
    return "text" if descriptor is not None and os.isatty(descriptor) else "json"
