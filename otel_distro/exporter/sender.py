"""The sender: encoded batches wait in a bounded queue and leave on a thread of their own, retried, in order."""

from __future__ import annotations

import logging
from collections import Counter, deque
from contextlib import suppress
from threading import Condition, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value

from otel_distro.exporter.transport import Answer, Result, lost
from otel_distro.guard import guard

if TYPE_CHECKING:
    from otel_distro.exporter.transport import Transport

_logger = logging.getLogger("otel_distro")
_FIRST_BACKOFF = 1.0
_MAX_BACKOFF = 30.0
_HURRIED_BACKOFF = 0.1
_QUIET_SECONDS = 60.0
"""An endpoint that fails now and then is complained of once in this time."""


class Batch(NamedTuple):
    """One export request as its transport takes it, how many items it carries, and about how many bytes it holds."""

    payload: Any
    items: int
    size: int


class Sender:
    """Sends one signal's batches. The queue is bounded in bytes: beyond it the oldest is dropped and counted."""

    def __init__(self, signal: str, transport: Transport, max_bytes: int, timeout: float) -> None:
        self.signal = signal
        self.dropped: Counter[str] = Counter()
        """Items lost, by cause: `queue_full`, `refused`, `rejected`, `too_large`, `shutdown`."""
        self.exports: Counter[str] = Counter()
        """Export requests by result."""
        self._transport = transport
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._clear()

    def reset(self) -> None:
        """Begin anew, as a forked child must: empty queue, nothing counted, no thread, no connection."""
        self._clear()
        self._transport.reset()

    def _clear(self) -> None:
        self.dropped.clear()
        self.exports.clear()
        self._queue: deque[Batch] = deque()
        self._bytes = 0
        self._busy = False
        self._closing = False
        self._hurry = 0.0
        self._lost = False
        self._quiet_until = 0.0
        self._words_until = 0.0
        self._changed = Condition()
        self._thread: Thread | None = None

    @property
    def waiting_bytes(self) -> int:
        """Bytes in the queue."""
        return self._bytes

    def put(self, batch: Batch) -> None:
        """Take a batch; never waits for the network."""
        with self._changed:
            self._queue.append(batch)
            self._bytes += batch.size
            if self._closing:
                self._drop(0, "shutdown")
            while self._bytes > self._max_bytes and len(self._queue) > 1 + self._busy:
                self._drop(int(self._busy), "queue_full")
            if self._thread is None and not self._closing:
                self._start()
            self._changed.notify_all()

    def _start(self) -> None:
        thread = Thread(target=self._run, name=f"otel-distro-{self.signal}", daemon=True)
        with suppress(RuntimeError):  # the interpreter ends (from Python 3.12 on): the last flush sends by itself
            thread.start()
            self._thread = thread

    def _drop(self, index: int, cause: str) -> None:
        batch = self._queue[index]
        del self._queue[index]
        self._bytes -= batch.size
        self.dropped[cause] += batch.items

    def discard(self) -> None:
        """Forget what waits; a batch in flight arrives or not."""
        with self._changed:
            while len(self._queue) > self._busy:
                self._drop(int(self._busy), "shutdown")

    def flush(self, deadline: float) -> bool:
        """Wait until all is sent, or `monotonic()` reaches the deadline; waits for retries are cut short meanwhile."""
        with self._changed:
            self._hurry = deadline
            self._changed.notify_all()
            if self._thread is not None:
                left = max(0.0, deadline - monotonic())
                return self._changed.wait_for(lambda: not self._queue and not self._busy, left)
        while self._queue and monotonic() < deadline:
            self._send_first(0.0)
        return not self._queue

    def shutdown(self, deadline: float) -> None:
        """Flush within the deadline, then drop and count the rest."""
        self.flush(deadline)
        with self._changed:
            self._closing = True
            while self._queue:
                self._drop(0, "shutdown")
            self._changed.notify_all()
        if self._thread is None:
            self._transport.close()

    def _run(self) -> None:
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))  # noqa: FBT003 - a context value
        backoff = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closing)
                if self._closing:
                    break
            backoff = self._send_first(backoff)
        self._transport.close()

    def _send_first(self, backoff: float) -> float:
        """Send the oldest batch, and wait when it has to be sent again; returns how long that wait was to be."""
        with self._changed:
            if not self._queue:
                return 0.0
            batch, self._busy = self._queue[0], True
        answer = Answer(Result.FAILURE, reason="the exporter failed")
        with guard(f"export.{self.signal}"):
            answer = self._transport.send(batch.payload, self._remaining())
        with self._changed:
            self._settle(batch, answer)
        self._tell(answer)  # not under the lock: handlers of the app may take it
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            if answer.result is not Result.RETRY:
                return 0.0
            backoff = answer.retry_after or min(_MAX_BACKOFF, max(_FIRST_BACKOFF, backoff * 2))
            self._pause(backoff, answer.retry_after or _HURRIED_BACKOFF)
        return backoff

    def _remaining(self) -> float:
        left = self._hurry - monotonic()
        return min(self._timeout, left) if left > 0 else self._timeout

    def _pause(self, backoff: float, hurried: float) -> None:
        """Wait before a retry; a flush that begins meanwhile retries at once, then after the hurried time."""
        asked = self._hurry
        left = asked - monotonic()
        if left > 0:
            self._changed.wait_for(lambda: self._closing, min(hurried, left))
        else:
            self._changed.wait_for(lambda: self._closing or self._hurry != asked, backoff)

    def _settle(self, batch: Batch, answer: Answer) -> None:
        """Count the answer, and forget the batch unless it is to be sent again."""
        self.exports[answer.result.value] += 1
        waits = bool(self._queue) and self._queue[0] is batch  # not so after a shutdown
        if answer.result is Result.RETRY or not waits:
            return
        self._queue.popleft()
        self._bytes -= batch.size
        for cause, items in lost(answer, batch.items).items():
            self.dropped[cause] += items

    def _tell(self, answer: Answer) -> None:
        """One line when deliveries begin to fail, one when they work again."""
        if answer.result is Result.SUCCESS:
            if self._lost:
                _logger.warning("%s are delivered again", self.signal)
            self._lost = False
            self._tell_of_part(answer)
        elif not self._lost and monotonic() >= self._quiet_until:
            self._lost = True
            self._quiet_until = monotonic() + _QUIET_SECONDS
            _logger.warning("%s can't be delivered: %s; the application goes on", self.signal, answer.reason)

    def _tell_of_part(self, answer: Answer) -> None:
        """One line a minute when the receiver has words for what it took, or took only a part."""
        if (answer.reason or answer.lost) and monotonic() >= self._words_until:
            self._words_until = monotonic() + _QUIET_SECONDS
            what = "but not all of them" if answer.lost else "and the receiver says"
            _logger.warning("%s are delivered, %s: %s", self.signal, what, answer.reason)
