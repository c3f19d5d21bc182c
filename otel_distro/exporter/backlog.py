"""Batches in memory, the oldest first, on their way to an endpoint or a disk."""

from __future__ import annotations

from collections import deque
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Batch(NamedTuple):
    """One export request as its transport takes it, how many items it carries, about how many bytes it holds, its age.

    `created` is in seconds since 1970; the backlog sets it when it takes the batch.
    """

    payload: Any
    items: int
    size: int
    created: float = 0.0


class Backlog:
    """Knows how many bytes it holds; its user has a lock."""

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()
        self.bytes = 0
        """About how many its batches hold."""

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._batches)

    def __getitem__(self, index: int) -> Batch:
        return self._batches[index]

    def append(self, batch: Batch) -> None:
        """Take a new batch."""
        self.insert(len(self), batch if batch.created else batch._replace(created=time()))

    def insert(self, index: int, batch: Batch) -> None:
        """Take a batch back."""
        self._batches.insert(index, batch)
        self.bytes += batch.size

    def pop(self, index: int) -> Batch:
        """Give a batch away."""
        batch = self._batches[index]
        del self._batches[index]
        self.bytes -= batch.size
        return batch

    def remove(self, batch: Batch) -> bool:
        """Forget this very batch; False when it is not there any more."""
        for index, waiting in enumerate(self._batches):
            if waiting is batch:
                self.pop(index)
                return True
        return False
