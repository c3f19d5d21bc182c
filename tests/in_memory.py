"""An exporter that keeps what it is given, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from otel_distro.exporter import Delivery


class InMemoryExporter:
    """Spans or log records in the order of their coming; an `otel_distro.exporter.Exporter`."""

    waiting_bytes = 0

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.dropped: Counter[str] = Counter()
        self.exports: Counter[str] = Counter()
        self.delivery = Delivery()

    def begin(self) -> None:
        """Nothing is left behind."""

    def add(self, items: Sequence[Any]) -> None:
        """Keep them."""
        self.items += items

    def seal(self) -> None:
        """Batches do not matter here."""

    def reset(self) -> None:
        """Forget all."""
        self.items = []

    def discard(self) -> None:
        """Forget all."""
        self.items = []

    def flush(self, deadline: float) -> bool:
        """Nothing waits."""
        return True

    def shutdown(self, deadline: float) -> None:
        """Nothing to let go of."""
