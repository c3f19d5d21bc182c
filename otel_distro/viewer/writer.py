"""The bounded queue between the receiver and the store, and the one thread that empties it."""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

from otel_distro.guard import guard

if TYPE_CHECKING:
    from otel_distro.viewer.rows import Batch
    from otel_distro.viewer.store import Store

MAX_BATCHES = 256
MAX_BYTES = 32 * 1024 * 1024
BATCHES_PER_TRANSACTION = 64
PRUNE_SECONDS = 10.0

logger = logging.getLogger(__name__)


class Writer:
    """Takes batches from any thread, bounded in count and bytes, and writes them in the order they came."""

    def __init__(self, store: Store) -> None:
        """Keep the store; `start` starts the thread."""
        self._store = store
        self._batches: queue.SimpleQueue[tuple[Batch, int] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._waiting_bytes = 0
        self._rejected = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="otel-distro-viewer-writer", daemon=True)

    def start(self) -> None:
        """Start the writing thread."""
        self._thread.start()

    def submit(self, batch: Batch, size: int) -> bool:
        """Queue a batch of `size` bytes; False when the queue is full or closed."""
        with self._lock:
            full = self._waiting >= MAX_BATCHES or self._waiting_bytes + size > MAX_BYTES
            if self._closed or (full and self._waiting):
                return False
            self._waiting += 1
            self._waiting_bytes += size
            self._rejected += batch.rejected
            self._batches.put((batch, size))
        return True

    def stop(self) -> None:
        """Write what is queued, end the thread and close the store."""
        with self._lock:
            already, self._closed = self._closed, True
        if already:
            return
        self._batches.put(None)
        if self._thread.ident is not None:
            self._thread.join()
        self._store.close()

    def _run(self) -> None:
        pruned_at = time.monotonic()
        running = True
        while running:
            taken, running = self._take()
            if taken:
                with guard("viewer.write"):
                    self._write([batch for batch, _ in taken])
                self._release(taken)
            if time.monotonic() - pruned_at > PRUNE_SECONDS:
                self._prune()
                pruned_at = time.monotonic()

    def _take(self) -> tuple[list[tuple[Batch, int]], bool]:
        taken: list[tuple[Batch, int]] = []
        try:
            item = self._batches.get(timeout=PRUNE_SECONDS)
            while item is not None:
                taken.append(item)
                if len(taken) == BATCHES_PER_TRANSACTION:
                    return taken, True
                item = self._batches.get_nowait()
        except queue.Empty:
            return taken, True
        return taken, False

    def _write(self, batches: list[Batch]) -> None:
        try:
            self._store.write(batches)
            with self._lock:
                rejected, self._rejected = self._rejected, 0
            if rejected:
                self._store.count_dropped("invalid_ids", rejected)
        except sqlite3.Error as error:
            lost = sum(len(batch.spans) + len(batch.logs) + len(batch.points) for batch in batches)
            logger.error("the viewer's store lost %d records: %s", lost, error)  # noqa: TRY400 - one line, no stack

    def _release(self, taken: list[tuple[Batch, int]]) -> None:
        with self._lock:
            self._waiting -= len(taken)
            self._waiting_bytes -= sum(size for _, size in taken)

    def _prune(self) -> None:
        try:
            while self._batches.empty() and self._store.prune():
                continue
        except sqlite3.Error as error:
            logger.warning("the viewer's store could not be pruned: %s", error)
