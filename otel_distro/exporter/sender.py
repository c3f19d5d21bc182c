"""The sender: encoded batches wait in a bounded queue, or on disk, and leave on a thread of their own, retried."""

from __future__ import annotations

from collections import Counter
from functools import partial
from threading import Condition
from time import monotonic, time
from typing import TYPE_CHECKING

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value

from otel_distro.exporter import Delivery
from otel_distro.exporter.backlog import Backlog, Batch
from otel_distro.exporter.deadline import background, within
from otel_distro.exporter.frame import Frame
from otel_distro.exporter.outage import Outage
from otel_distro.exporter.transport import Answer, Result, lost
from otel_distro.guard import guard
from otel_distro.record import HANDOVER, Measurement
from otel_distro.semconv.own import EXPORT_DURATION

if TYPE_CHECKING:
    from threading import Thread

    from otel_distro.exporter.spool import Spool
    from otel_distro.exporter.transport import Transport

_FIRST_BACKOFF = 1.0
_MAX_BACKOFF = 30.0
_HURRIED_BACKOFF = 0.1
_SLOW_SECONDS = 1.0
"""When an export takes longer, batches behind it wait on disk."""
_NOT_SENDING = float("inf")
_SPILL_SECONDS = 0.3
"""Of a shutdown's time, what is kept for putting the rest on disk."""


class Sender:
    """Sends one signal's batches. The queue is bounded in bytes: beyond it the oldest is dropped and counted.

    With a spool, what the endpoint does not take now goes to disk at once, and the queue stays empty until it does.
    """

    def __init__(
        self,
        signal: str,
        transport: Transport,
        max_bytes: int,
        timeout: float,
        spool: Spool | None = None,
        outage: Outage | None = None,
    ) -> None:
        self.signal = signal
        self.spool = spool
        """Where batches wait on disk."""
        self.dropped: Counter[str] = Counter() if spool is None else spool.dropped
        """Items lost, by cause: `queue_full`, `refused`, `rejected`, `too_large`, `shutdown`, and the spool's."""
        self.exports: Counter[str] = Counter()
        """Export requests by result."""
        self._transport = transport
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._in_order = signal == "metrics"
        """Whether what waits on disk leaves before all else: a series' points may be refused after newer ones."""
        self._outage = outage or Outage()
        self._directory = "" if spool is None else str(spool.directory)
        self._clear()

    def reset(self) -> None:
        """Begin anew, as a forked child must: empty queue, nothing counted, no thread, no connection, no files."""
        if self.spool is not None:
            self.spool.reset()
        self._clear()
        self._transport.reset()

    def _clear(self) -> None:
        self.dropped.clear()
        self.exports.clear()
        self._kept = self._delivered = 0
        self._queue = Backlog()
        self._taken: Batch | None = None
        self._busy = self._aside = self._writing = self._failing = self._closing = self._ended = False
        self._disks_turn = True
        self._since, self._hurry = _NOT_SENDING, 0.0
        self._outage.reset()
        self._changed = Condition()
        self._thread: Thread | None = None

    @property
    def waiting_bytes(self) -> int:
        """Bytes in the queue; what waits on disk is the spool's."""
        return self._queue.bytes

    def begin(self) -> None:
        """The process begins to record: send what others left on disk, with or without batches of its own."""
        if self.spool is not None and self.spool.exists:
            self._wake()

    def keep(self, frame: Frame) -> None:
        """Put this on disk for the case that the process is killed; the next one, or an export, takes its place."""
        if self.spool is not None:
            self.spool.keep(frame)
            self._wake()

    def _wake(self) -> None:
        with self._changed:
            self._start()
            self._changed.notify_all()

    @property
    def delivery(self) -> Delivery:
        """How the delivery stands: in memory, and on disk as far as this process holds it."""
        spool = self.spool
        on_disk = (0, 0.0) if spool is None else (spool.waiting_bytes, spool.oldest_age)
        return Delivery(self._kept, self._delivered, self._queue.bytes / max(1, self._max_bytes), *on_disk)

    def put(self, batch: Batch) -> None:
        """Take a batch; never waits for the network or a disk."""
        with self._changed:
            self._queue.append(batch)
            self._kept += batch.items
            if self._closing:
                self._drop(0, "shutdown")
            while self._queue.bytes > self._max_bytes and len(self._queue) > 1 + self._held:
                self._drop(self._held, "queue_full")
            self._start()
            if monotonic() - self._since > _SLOW_SECONDS:
                self._start_aside()
            self._changed.notify_all()

    def _start(self) -> None:
        if self._thread is None and not self._closing:  # where there are no threads, the last flush sends by itself
            self._thread = background(f"otel-distro-{self.signal}", self._run)

    def _start_aside(self) -> None:
        spool = self.spool
        if spool is not None and spool.limits.max_bytes and not (self._aside or self._in_order or spool.failure):
            name = f"otel-distro-{self.signal}-spool"
            self._aside = background(name, partial(self._put_aside, self._since)) is not None

    @property
    def _held(self) -> int:
        """How many batches at the queue's head are being sent or written."""
        return int(self._taken is not None)

    def _drop(self, index: int, cause: str) -> None:
        self.dropped[cause] += self._queue.pop(index).items

    def discard(self) -> None:
        """Forget what waits in memory; a batch in flight arrives or not."""
        with self._changed:
            while len(self._queue) > self._held:
                self._drop(self._held, "shutdown")

    def flush(self, deadline: float) -> bool:
        """Wait until all is sent, or `monotonic()` reaches the deadline; waits for retries are cut short meanwhile.

        With a spool a failing endpoint is tried once more, and what it does not take is left on disk.
        """
        with self._changed:
            self._hurry = deadline
            if self._waits_on_disk:
                self._failing = False
            self._changed.notify_all()
            if self._thread is not None:
                self._changed.wait_for(self._flushed, max(0.0, deadline - monotonic()))
                return not (self._queue or self._busy or self._waits_on_disk)
        while not self._flushed() and monotonic() < deadline:
            self._send_first(0.0)
        return not (self._queue or self._waits_on_disk)

    def _flushed(self) -> bool:
        return not (self._queue or self._busy or self._aside) and (self._failing or not self._waits_on_disk)

    @property
    def _waits_on_disk(self) -> bool:
        return self.spool is not None and self.spool.waiting

    def shutdown(self, deadline: float) -> None:
        """Flush, put on disk what is left, drop and count the rest, let go of connection and files; by the deadline."""
        kept = 0.0 if self.spool is None else min(_SPILL_SECONDS, max(0.0, deadline - monotonic()) / 2)
        self.flush(deadline - kept)
        with self._changed:
            self._closing = True
            rest = list(self._queue)[int(self._writing) :]
            self._changed.notify_all()
        if rest and self.spool is not None:
            # on a thread for this, since the sender's own may be in the middle of an export; up to the first failure
            within(deadline, {f"spool.{self.signal}": lambda: all(map(self._write, rest))})
        with self._changed:
            is_lost = len(self._queue) > int(self._writing)
            while len(self._queue) > int(self._writing):
                self._drop(-1, "shutdown")
        self._outage.ended(self.signal, len(rest), "" if is_lost else self._directory)
        if self._thread is None:
            self._end()
        with self._changed:  # else what is under way would be sent again, and what is held found by nobody
            self._changed.wait_for(lambda: self._ended, max(0.0, deadline - monotonic()))

    def _write(self, batch: Batch) -> bool:
        """Move a batch from memory to disk."""
        written = False
        if self.spool is not None:
            with guard(f"spool.{self.signal}"):
                written = self.spool.write(Frame(batch.payload, batch.items, batch.created))
        with self._changed:
            if written:
                self._queue.remove(batch)
            self._changed.notify_all()
        return written

    # -- the thread

    def _run(self) -> None:
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))  # noqa: FBT003 - a context value
        backoff = 0.0
        while self._wait():
            backoff = self._send_first(backoff)
        with self._changed:
            self._changed.wait_for(lambda: not self._aside)
        self._end()

    def _end(self) -> None:
        with guard(f"export.{self.signal}"):
            self._transport.close()
        if self.spool is not None:
            with guard(f"spool.{self.signal}"):
                self.spool.close()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _wait(self) -> bool:
        """Wait until something may leave, or the spool wants to be looked after; False at the end."""
        with self._changed:
            left = self._due_in()
            if left != 0 and not self._closing:
                self._changed.wait(left)
            return not self._closing

    def _due_in(self) -> float | None:
        due_in = None if self.spool is None else self.spool.due_in
        if self._queue and (due_in is None or not self._in_order):
            return 0.0
        if due_in is not None:
            return 0.0 if monotonic() < self._hurry else due_in
        return None if self.spool is None else self.spool.looks_in

    def _send_first(self, backoff: float) -> float:
        """Send the next batch, and wait when it has to be sent again; returns how long that wait was to be."""
        batch = self._take()
        if batch is None:
            return backoff
        answer = Answer(Result.FAILURE, reason="the exporter failed")
        with guard(f"export.{self.signal}"):
            answer = self._transport.send(batch.payload, self._remaining())
            by = (self.signal, answer.result.value)
            HANDOVER.sink.measure(Measurement(EXPORT_DURATION, monotonic() - self._since, by))
        self._settle(batch, answer)
        on_disk = answer.result is Result.RETRY and self._spill()
        if answer.result is Result.SUCCESS:  # not under the lock: handlers of the app may take it
            self._outage.delivered(self.signal, answer, behind=self._waits_on_disk)
        else:
            self._outage.failed(self.signal, answer.reason, self._directory if on_disk else "")
        with self._changed:
            self._busy = False
            self._taken = None
            asked = self._hurry
            self._changed.notify_all()
        if answer.result is not Result.RETRY:
            return 0.0
        backoff = answer.retry_after or min(_MAX_BACKOFF, max(_FIRST_BACKOFF, backoff * 2))
        self._pause(asked, backoff, answer.retry_after or _HURRIED_BACKOFF)
        return backoff

    def _take(self) -> Batch | None:
        """The next batch: those on disk and those in memory take turns, so that fresh ones do not wait for old ones."""
        frame = self._from_disk()
        with self._changed:
            self._disks_turn = frame is None
            batch = None
            if self._closing:
                pass  # who ends the process waits for what is under way, not for what begins now
            elif frame is not None:
                batch = Batch(frame.payload, frame.items, len(frame.payload), frame.created)
            elif self._queue and not (self._in_order and self._waits_on_disk):
                self._forget_old()
                batch = self._taken = self._queue[0] if self._queue else None
            self._busy = batch is not None
            self._since = monotonic() if self._busy else _NOT_SENDING
            self._changed.notify_all()
            return batch

    def _from_disk(self) -> Frame | None:
        spool = self.spool
        if spool is None:
            return None
        with guard(f"spool.{self.signal}"):
            spool.look()
            turn = self._in_order or self._disks_turn or not self._queue
            return spool.first() if turn and (spool.due_in == 0 or monotonic() < self._hurry) else None
        with guard(f"spool.{self.signal}"):
            spool.rest()
        return None

    def _forget_old(self) -> None:
        while self.spool is not None and self._queue and self._queue[0].created <= time() - self.spool.limits.max_age:
            self._drop(0, "too_old")

    def _remaining(self) -> float:
        left = self._hurry - monotonic()
        if left > 0 and self.spool is not None:
            left -= min(_SPILL_SECONDS, left / 4)  # so that who flushes need not wait for the disk
        return min(self._timeout, left) if left > 0 else self._timeout

    def _settle(self, batch: Batch, answer: Answer) -> None:
        """Count the answer, and forget the batch unless it is to be sent again."""
        self.exports[answer.result.value] += 1
        self._failing = answer.result is Result.RETRY
        with self._changed:
            self._since = _NOT_SENDING
            self._changed.notify_all()
            if self._failing:
                return
            in_memory = self._taken is batch
            waited = self._queue.remove(batch)  # not so after a shutdown
            if waited or not in_memory:
                missing = lost(answer, batch.items)
                self.dropped.update(missing)
                self._delivered += batch.items - sum(missing.values())
        if self.spool is not None:
            with guard(f"spool.{self.signal}"):
                self.spool.covered(batch.created) if in_memory else self.spool.done()

    def _spill(self) -> bool:
        """Put on disk what is in memory; False when it has to wait there."""
        if self.spool is None:
            return False
        with guard(f"spool.{self.signal}"):
            self.spool.checkpoint()
        while True:
            with self._changed:
                if self._closing or not self._queue:
                    return not self._queue
                batch = self._taken = self._queue[0]
                self._writing = True
            written = self._write(batch)
            with self._changed:
                self._taken, self._writing = None, False
            if not written:
                return False

    def _put_aside(self, since: float) -> None:
        """While the export that began then goes on, put on disk what comes; on a thread that ends with it."""
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))  # noqa: FBT003 - a context value
        written = True
        while written:
            with self._changed:
                self._changed.wait_for(lambda: self._over(since) or len(self._queue) > self._held)
                if self._over(since):
                    break
                batch = self._queue.pop(self._held)
            written = self._write(batch)
            if not written:
                self._take_back(batch)
        with self._changed:
            self._aside = False
            self._changed.notify_all()

    def _over(self, since: float) -> bool:
        return self._closing or self._since != since

    def _take_back(self, batch: Batch) -> None:
        with self._changed:
            self._queue.insert(self._held, batch)
            if self._closing:  # too late to be written with the rest
                self._drop(self._held, "shutdown")

    def _pause(self, asked: float, backoff: float, hurried: float) -> None:
        """Wait before a retry; what comes meanwhile goes to disk. A flush that begins meanwhile retries at once.

        During a flush, what can't go to disk is retried after the hurried time.
        """
        until, spool = monotonic() + backoff, self.spool
        while spool is not None and self._spill():
            if self._thread is None:
                return
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closing or self._queue or self._hurry != asked or spool.kept.due, until - monotonic()
                )
                if self._closing or self._hurry != asked or monotonic() >= until:
                    return
        with self._changed:
            left = asked - monotonic()
            if left > 0:
                self._changed.wait_for(lambda: self._closing, min(hurried, left))
            else:
                self._changed.wait_for(lambda: self._closing or self._hurry != asked, until - monotonic())
