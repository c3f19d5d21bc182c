"""A lane: the exporters of one signal, and how full and how old their open batch is."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from otel_distro.guard import guard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_distro.exporter import Exporter


class Lane:
    """Feeds exporters a few items at a time; their batch is sealed when it is full, or `delay` seconds old."""

    __slots__ = ("_count", "_delay", "_opened_at", "_size", "exporters", "pending")

    def __init__(self, exporters: Sequence[Exporter], size: int, delay: float) -> None:
        self.exporters = exporters
        self._size = size
        self._delay = delay
        self._count = 0
        self._opened_at = 0.0
        self.pending: list[Any] = []
        """Items that no exporter has yet."""

    def deliver(self) -> None:
        """Give what is pending to each exporter; a batch that is full leaves."""
        items, self.pending = self.pending, []
        while items:
            room = self._size - self._count
            now, items = (items, []) if len(items) <= room else (items[:room], items[room:])
            if not self._count:
                self._opened_at = monotonic()
            self._count += len(now)
            for exporter in self.exporters:
                exporter.add(now)
            if self._count >= self._size:
                self.seal()

    def seal(self) -> None:
        """What was added leaves as one batch."""
        self._count = 0
        for exporter in self.exporters:
            with guard("pipeline.seal"):
                exporter.seal()

    def seal_if_due(self, now: float, *, everything: bool) -> None:
        """Seal a batch that is old enough; with `everything`, any that has an item."""
        if self._count and (everything or now - self._opened_at >= self._delay):
            self.seal()

    def reset(self) -> None:
        """Begin anew, as a forked child must; the exporters are reset by whoever made them."""
        self._count = 0
        self.pending = []

    @property
    def waiting_bytes(self) -> int:
        """About how many bytes wait in the exporters."""
        return sum(exporter.waiting_bytes for exporter in self.exporters)
