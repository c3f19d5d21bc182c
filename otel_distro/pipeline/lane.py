"""A lane: the exporters of one signal, and how full and how old their open batch is."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from otel_distro.guard import guard
from otel_distro.pipeline.shedding import NOTHING, is_kept, level_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from otel_distro.exporter import Exporter

_LOOK = 64
"""Items between two looks at how full the exporters' queues are."""


class Lane:
    """Feeds exporters a few items at a time; their batch is sealed when it is full, or `delay` seconds old.

    Where their queues become full, less is fed to them, by what it is worth; what is not is counted in `dropped`.
    """

    __slots__ = (
        "_count",
        "_delay",
        "_dropped",
        "_opened_at",
        "_signal",
        "_size",
        "_unlooked",
        "exporters",
        "level",
        "pending",
    )

    def __init__(
        self, signal: str, exporters: Sequence[Exporter], size: int, delay: float, dropped: Counter[tuple[str, str]]
    ) -> None:
        self.exporters = exporters
        self._signal = signal
        self._size = size
        self._delay = delay
        self._dropped = dropped
        self.level = NOTHING
        """What is given up at present."""
        self._count = self._unlooked = 0
        self._opened_at = 0.0
        self.pending: list[Any] = []
        """Items that no exporter has yet."""

    def deliver(self) -> None:
        """Give what is pending to each exporter; a batch that is full leaves."""
        items, self.pending = self.pending, []
        if self.level and items:
            items = self._worth_it(items)
        while items:
            room = self._size - self._count
            now, items = (items, []) if len(items) <= room else (items[:room], items[room:])
            if not self._count:
                self._opened_at = monotonic()
            self._count += len(now)
            self._unlooked += len(now)
            if self._unlooked >= _LOOK:
                self._look()
            for exporter in self.exporters:
                exporter.add(now)
            if self._count >= self._size:
                self.seal()

    def _worth_it(self, items: list[Any]) -> list[Any]:
        kept = [item for item in items if is_kept(item, self.level)]
        self._dropped[self._signal, "shed"] += len(items) - len(kept)
        return kept

    def seal(self) -> None:
        """What was added leaves as one batch."""
        self._count = 0
        for exporter in self.exporters:
            with guard("pipeline.seal"):
                exporter.seal()
        self._look()

    def _look(self) -> None:
        self._unlooked = 0
        self.level = level_of(max((exporter.delivery.queue_use for exporter in self.exporters), default=0.0))

    def seal_if_due(self, now: float, *, everything: bool) -> None:
        """Seal a batch that is old enough; with `everything`, any that has an item."""
        if self.level:
            self._look()
        if self._count and (everything or now - self._opened_at >= self._delay):
            self.seal()

    def reset(self) -> None:
        """Begin anew, as a forked child must; the exporters are reset by whoever made them."""
        self._count = 0
        self.pending = []
        self.level = NOTHING

    @property
    def waiting_bytes(self) -> int:
        """About how many bytes wait in the exporters."""
        return sum(exporter.waiting_bytes for exporter in self.exporters)
