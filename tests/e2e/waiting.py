"""Waiting for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(condition: Callable[[], T], what: str | Callable[[], str], timeout: float = 30.0) -> T:
    """Return the first true value of the condition; when the time is up, fail and say what was seen last."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            wish = what if isinstance(what, str) else what()
            message = f"waited {timeout:g} s for {wish}; last seen: {value!r}"
            raise AssertionError(message)
        time.sleep(0.05)
    return value
