"""The sender: encoded batches wait in a bounded queue and leave on a thread of their own, retried, in order."""

from __future__ import annotations

import logging
from collections import Counter, deque
from threading import Condition, Thread
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from otel_distro.exporter.transport import Result
from otel_distro.guard import guard

if TYPE_CHECKING:
    from otel_distro.exporter.transport import Answer, Transport

_logger = logging.getLogger("otel_distro")
_FIRST_BACKOFF = 1.0
_MAX_BACKOFF = 30.0


class Batch(NamedTuple):
    """One encoded export request and how many items it carries."""

    payload: bytes
    items: int


class Sender:
    """Sends one signal's batches. The queue is bounded in bytes: beyond it the oldest is dropped and counted."""

    def __init__(self, signal: str, transport: Transport, max_bytes: int, timeout: float) -> None:
        self.signal = signal
        self.dropped: Counter[str] = Counter()
        """Items lost, by cause: `queue_full`, `refused`, `shutdown`."""
        self.exports: Counter[str] = Counter()
        """Export requests by result."""
        self._transport = transport
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._lost = False
        self.reset()

    def reset(self) -> None:
        """Begin anew, as a forked child must: empty queue, no thread, no connection."""
        self._queue: deque[Batch] = deque()
        self._bytes = 0
        self._busy = False
        self._closing = False
        self._hurry = 0.0
        self._changed = Condition()
        self._thread: Thread | None = None

    @property
    def waiting_bytes(self) -> int:
        """Bytes in the queue."""
        return self._bytes

    def put(self, batch: Batch) -> None:
        """Take a batch; never waits for the network."""
        with self._changed:
            while self._queue and self._bytes + len(batch.payload) > self._max_bytes:
                self._drop(self._queue.popleft(), "queue_full")
            self._queue.append(batch)
            self._bytes += len(batch.payload)
            if self._thread is None:
                self._thread = Thread(target=self._run, name=f"otel-distro-{self.signal}", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _drop(self, batch: Batch, cause: str) -> None:
        self._bytes -= len(batch.payload)
        self.dropped[cause] += batch.items

    def flush(self, deadline: float) -> bool:
        """Wait until all is sent, or `monotonic()` reaches the deadline; waits for retries are cut short meanwhile."""
        with self._changed:
            self._hurry = deadline
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._queue and not self._busy, max(0.0, deadline - monotonic()))

    def shutdown(self, deadline: float) -> None:
        """Flush within the deadline, then drop and count the rest."""
        self.flush(deadline)
        with self._changed:
            self._closing = True
            while self._queue:
                self._drop(self._queue.popleft(), "shutdown")
            self._changed.notify_all()

    def _run(self) -> None:
        backoff = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closing)
                if self._closing:
                    return
                batch = self._queue[0]
                self._busy = True
            with guard(f"export.{self.signal}"):
                answer = self._transport.send(batch.payload, self._remaining())
                backoff = self._settle(batch, answer, backoff)
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                if backoff:
                    self._pause(backoff)

    def _remaining(self) -> float:
        left = self._hurry - monotonic()
        return min(self._timeout, left) if left > 0 else self._timeout

    def _pause(self, backoff: float) -> None:
        """Wait before a retry; a flush that begins meanwhile retries at once, then each tenth of a second."""
        asked = self._hurry
        if asked > monotonic():
            self._changed.wait(0.1)
        else:
            self._changed.wait_for(lambda: self._closing or self._hurry != asked, backoff)

    def _settle(self, batch: Batch, answer: Answer, backoff: float) -> float:
        """Count the answer, forget the batch unless it is to be sent again; returns the seconds to wait before that."""
        self.exports[answer.result.value] += 1
        with self._changed:
            if answer.result is not Result.RETRY and self._queue and self._queue[0] is batch:
                self._queue.popleft()
                self._bytes -= len(batch.payload)
        if answer.result is Result.SUCCESS:
            if self._lost:
                _logger.warning("%s are delivered again", self.signal)
            self._lost = False
            return 0.0
        if answer.result is Result.FAILURE:
            self.dropped["refused"] += batch.items
        if not self._lost:
            self._lost = True
            _logger.warning(
                "%s can't be delivered (OTEL_EXPORTER_OTLP_ENDPOINT): %s; the application goes on",
                self.signal,
                answer.reason,
            )
        if answer.result is Result.FAILURE:
            return 0.0
        return answer.retry_after or min(_MAX_BACKOFF, max(_FIRST_BACKOFF, backoff * 2))
