"""A local trace: what one root span and everything under it share in this process."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_distro.pipeline.span import Span


class Mode(IntEnum):
    """What becomes of a local trace's spans."""

    EXPORT = 0
    """Sampled: each span leaves when it ended."""
    PRIVATE = 1
    """Dropped by a built-in ratio: spans wait for the outcome of the root (design decision 4)."""
    MEASURE = 2
    """Dropped for good: metrics only."""
    QUIET = 3
    """As MEASURE, and no access line: a route named quiet by a setting."""


class LocalTrace:
    """Shared state of the spans under one local root; only the pipeline thread touches `verdict` and `waiting`."""

    __slots__ = ("ended_ns", "mode", "verdict", "waiting", "waiting_bytes")

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.ended_ns = 0
        self.verdict: bool | None = None
        self.waiting: list[Span] | None = None
        self.waiting_bytes = 0
