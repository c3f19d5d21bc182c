"""Exporters: what the pipeline hands ended spans, log records and collected metrics to, on its own thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence


class Delivery(NamedTuple):
    """How the delivery of a signal stands: items to be sent, those that were taken there, and what waits."""

    kept: int = 0
    items: int = 0
    queue_use: float = 0.0
    """How full the queue in memory is, from 0 to 1."""
    spool_bytes: int = 0
    spool_age: float = 0.0
    """Seconds since the oldest batch on disk was written."""


class Exporter(Protocol):
    """Takes items of one signal a few at a time (so that the pipeline may pause between) and sends them by batches.

    `add` and `seal` are called on the pipeline thread only, the rest from any.
    """

    def begin(self) -> None:
        """The process begins to record: send what other processes left behind."""

    def add(self, items: Sequence[Any]) -> None:
        """Take spans or log records into the open batch, in their order; one that fails is dropped and counted."""

    def seal(self) -> None:
        """Close the open batch and send it."""

    def reset(self) -> None:
        """Begin anew in a forked child."""

    def discard(self) -> None:
        """Forget what was taken and is not on its way yet."""

    def flush(self, deadline: float) -> bool:
        """Send what was taken until `monotonic()` reaches the deadline."""

    def shutdown(self, deadline: float) -> None:
        """Flush, then let go."""

    @property
    def waiting_bytes(self) -> int:
        """Bytes taken and not yet sent."""

    @property
    def dropped(self) -> Counter[str]:
        """Items lost by cause."""

    @property
    def exports(self) -> Counter[str]:
        """Export requests by result."""

    @property
    def delivery(self) -> Delivery:
        """How the delivery stands."""
