"""The pipeline's one thread: takes records, decides, aggregates, derives lines, feeds exporters; in short slices."""

from __future__ import annotations

from collections import Counter, deque
from functools import partial
from threading import Condition, Thread, current_thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value
from opentelemetry.trace import SpanKind

from otel_distro.exporter.deadline import within
from otel_distro.guard import guard
from otel_distro.pipeline.collection import Collection
from otel_distro.pipeline.lag import Lag
from otel_distro.pipeline.lines import Lines
from otel_distro.pipeline.local_trace import Mode
from otel_distro.pipeline.overflow import RECORD_BYTES, Overflow
from otel_distro.pipeline.pace import Pace
from otel_distro.pipeline.projection import Projection
from otel_distro.pipeline.shedding import Shedding
from otel_distro.pipeline.span import Span
from otel_distro.record import LogRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_distro.exporter import Exporter
    from otel_distro.exporter.otlp import OtlpReader
    from otel_distro.exporter.sender import Sender
    from otel_distro.pipeline.aggregate import Aggregator
    from otel_distro.pipeline.decide import Decider
    from otel_distro.pipeline.lines import Console
    from otel_distro.record import Measurement

_TICK = 0.1
_LEAST_TICK = 0.01
_WAITING = 128
"""Records that may wait: more of them grow old, and make the garbage collector's full rounds more frequent."""
_MOST_UNMEASURED = 512
_LONG = 1024  # characters: a log record with more of them is measured
_ERROR = 17
_STILL_ENDING = 10.0
_LAST_TRY_MILLIS = 200
_SPILL_MILLIS = 300
"""Of a shutdown's time, what is kept for putting on disk what could not be sent."""
_CLIENT = SpanKind.CLIENT
_CHUNK = 16
"""Records between two looks at the clock."""
_EXPORT, _PRIVATE, _MEASURE, _QUIET = Mode.EXPORT, Mode.PRIVATE, Mode.MEASURE, Mode.QUIET


class Outputs:
    """Where the pipeline's products go: exporters by signal, the push reader, the console."""

    def __init__(
        self,
        spans: Sequence[Exporter] = (),
        logs: Sequence[Exporter] = (),
        reader: OtlpReader | None = None,
        console: Console | None = None,
    ) -> None:
        self.spans = tuple(spans)
        self.logs = tuple(logs)
        self.reader = reader
        self.console = console

    @property
    def exporters(self) -> tuple[Exporter, ...]:
        """The exporters of spans and logs."""
        return self.spans + self.logs

    @property
    def senders(self) -> tuple[Exporter | Sender, ...]:
        """What has to be flushed and shut down: each within a deadline, and all side by side."""
        return self.exporters if self.reader is None else (*self.exporters, self.reader.sender)


class Worker:
    """The `otel_distro.record.Sink`, and the thread behind it; the thread starts with the first record."""

    def __init__(self, outputs: Outputs, aggregator: Aggregator, decider: Decider, settings: Any) -> None:
        self._aggregator = aggregator
        self._max_records: int = max(1024, settings.buffer_bytes // RECORD_BYTES)
        self._head = min(_MOST_UNMEASURED, self._max_records // 8)
        self.dropped: Counter[tuple[str, str]] = Counter()
        self._overflow = Overflow(settings.buffer_bytes, self.dropped, access_lines=settings.access_log)
        self._shedding = Shedding()
        self._projection = Projection(aggregator, decider, settings, self.dropped)
        self._interval: float = settings.metric_interval / 1000
        self.on_start: Callable[[], None] = _nothing
        """Called on the thread that starts the worker, once per process, before the first record is processed."""
        self.on_flush: Callable[[float], object] = _nothing
        """Called in a flush with its deadline (`monotonic()`): what others added to the providers is flushed, too."""
        self.pace = Pace()
        self.closed = self._console_only = False
        self.use(outputs)
        self.reset()

    def use(self, outputs: Outputs) -> None:
        """Feed these outputs from now on; before the first record."""
        self.outputs = outputs
        if outputs.reader is not None:
            outputs.reader.pace = self.pace
        self._lines = Lines(outputs.console)
        self._projection.use(outputs.spans, outputs.logs, self._lines.add)
        self._metrics = Collection(outputs.reader, self._interval)

    def reset(self) -> None:
        """Begin anew: nothing waits, nothing was counted, no thread; as a forked child must."""
        self._buffer: deque[Any] = deque()
        self._room = 0
        """Up to how many waiting records one more is simply appended; 0 when there is more to do."""
        self.taken: Counter[str] = Counter()
        self.dropped.clear()
        self._changed = Condition()
        self._asked = self._answered = 0
        self._export = False
        self._gave_up = float("-inf")
        self._thread: Thread | None = None
        self.lag = Lag()
        self._overflow.reset(self._buffer)
        for part in (self._projection, self._lines):
            part.reset()

    # -- called by the application's threads: no lock, no I/O but the console line of an error

    def take(self, span: Span) -> None:
        """An ended span."""
        if span.local.mode >= _MEASURE and not span.tracer.own:
            return
        buffer = self._buffer
        if len(buffer) < self._room:
            buffer.append(span)
        else:
            self._put("traces", span)

    def log(self, record: LogRecord) -> None:
        """A log record; the console line of an error is written now."""
        lines = self._lines
        if record.console and lines.wanted:
            lines.due.append(record)
            if record.severity_number >= _ERROR or len(lines.due) > self._max_records:
                lines.print()  # with those before it, so that lines stay in order
        if len(self._buffer) < self._room and len(record.body) <= _LONG:
            self._buffer.append(record)
        elif not self._put("logs", record) and (self.closed or self.console_only):
            lines.print()

    def measure(self, measurement: Measurement) -> None:
        """One measurement of a declared metric."""
        if len(self._buffer) < self._room:
            self._buffer.append(measurement)
        else:
            self._put("metrics", measurement)

    def _put(self, signal: str, record: Any) -> bool:
        """Take a record where not all is as usual: the first one, a long one, one for which there is no room."""
        if self.closed or self.console_only:
            return False
        taken = False
        with guard("pipeline.overflow"):
            taken = self._overflow.put(signal, record)
        if self._thread is None:
            self.start()
        self._make_room()
        return taken

    def _make_room(self) -> None:
        """Records are simply appended, unless others wait in the overflow, before them."""
        usual = self._thread is not None and not (self.closed or self.console_only or self._overflow)
        self._room = self._head if usual else 0

    def tell_lines(self, on_line: Callable[[LogRecord], object]) -> None:
        """Call this with each line that the thread derives, before it leaves."""
        self._projection.on_line = on_line

    @property
    def console_only(self) -> bool:
        """Whether lines are printed and nothing else is taken."""
        return self._console_only

    @console_only.setter
    def console_only(self, value: bool) -> None:
        """Take nothing more, or everything again."""
        self._console_only = value
        self._room = 0

    def start(self) -> None:
        """Start the thread, unless it runs, or nothing is to be exported."""
        with self._changed:
            if self._thread is not None or self.closed or self.console_only:
                return
            self._metrics.begin()
            thread = self._thread = Thread(target=self._run, name="otel-distro", daemon=True)
        with guard("pipeline.start"):
            self.on_start()
        try:
            thread.start()
        except RuntimeError:  # the interpreter ends (from Python 3.12 on): the last flush works by itself
            self._thread = None

    def flush(self, timeout_millis: int) -> bool:
        """Process and send all that was taken, metrics included; False when the time did not do."""
        deadline = monotonic() + timeout_millis / 1000
        if self.closed:
            return True
        if current_thread() is self._thread:
            return False
        settled = self.settle(deadline, export=True) if self._thread is not None or self._overflow else True
        with guard("pipeline.flush"):
            self.on_flush(deadline)
        flushes = [partial(one.flush, deadline) for one in self.outputs.senders]
        flushed = within(deadline, {f"flush.{number}": flush for number, flush in enumerate(flushes)}) and settled
        self._gave_up = float("-inf") if flushed else monotonic()
        return flushed

    def settle(self, deadline: float, *, export: bool = False) -> bool:
        """Wait until all taken is processed; with `export`, also given to the senders, and metrics collected."""
        thread = self._thread
        if self.closed:
            return True
        if thread is None or current_thread() is thread:
            self._drain(hurried=self.pace.hurried)
            if export:
                self._send(everything=True)
            return True
        with self._changed:
            self._asked += 1
            mine = self._asked
            self._export = self._export or export
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._answered >= mine, max(0.0, deadline - monotonic()))

    def shutdown(self, timeout_millis: int) -> None:
        """Flush, then end: what comes later is only printed.

        Where a flush gave up a moment ago (the lifespan's, before the signal's), the time is not spent twice.
        """
        if monotonic() - self._gave_up < _STILL_ENDING:
            timeout_millis = min(timeout_millis, _LAST_TRY_MILLIS)
        deadline = monotonic() + timeout_millis / 1000
        self.flush(timeout_millis - min(_SPILL_MILLIS, timeout_millis // 4))
        self.closed, self._room = True, 0
        ends = [partial(one.shutdown, deadline) for one in self.outputs.senders]
        within(deadline, {f"shutdown.{number}": end for number, end in enumerate(ends)})
        with self._changed:
            self._changed.notify_all()
        self._lines.print()

    # -- the thread

    def _run(self) -> None:
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))  # noqa: FBT003 - a context value
        began = self.lag.begin()
        pause = _TICK
        while not self.closed:
            with self._changed:
                if self._asked == self._answered:
                    self._changed.wait(pause)
                asked, export, self._export = self._asked, self._export, False
            before, began = began, monotonic()
            with guard("pipeline"):  # around all: nobody would start this thread again
                pause = _pause(len(self._buffer) + len(self._overflow), began - before)
                self._drain(hurried=export)
                self._send(everything=export)
                self.lag.note(monotonic() - before)
                self._shedding.look(max(self._overflow.level, self._projection.level))
            if asked != self._answered:
                with self._changed:
                    self._answered = asked
                    self._changed.notify_all()

    def _drain(self, *, hurried: bool = False) -> None:
        """Process what waits, in slices; `hurried`: somebody waits for a flush.

        What comes meanwhile is for the next round: lines, metrics and those who asked for a flush wait no longer.
        Lines are written at the end, all at once: each write gives the interpreter away and has to get it back.
        """
        pace = self.pace
        pace.begin(hurried=hurried)
        buffer, lines = self._buffer, self._lines
        left = len(buffer) + len(self._overflow)
        unprinted = len(lines.due) + left
        while (left > 0 and (buffer or self._overflow)) or (unprinted > 0 and lines.due):
            with self._aggregator.lock:
                while left > 0 and (buffer or self._overflow) and not pace.over:
                    self._process(min(left, _CHUNK))
                    left -= _CHUNK
            while unprinted > 0 and lines.due and not pace.over:
                lines.render(_CHUNK)
                unprinted -= _CHUNK
            if left > 0 or lines.due:
                self._send(everything=False)
                pace.rest()
        self._overflow.round()
        if not self._room:
            self._make_room()
        lines.print()

    def _process(self, count: int) -> None:
        """Process so many records; one that fails is counted, and the next ones go on."""
        buffer, projection = self._buffer, self._projection
        if not buffer:
            self._overflow.refill(count)
        spans = logs = metrics = 0
        turns = iter(range(min(count, len(buffer))))
        failed, record = True, None
        while failed:
            with guard("pipeline.process"):
                for _ in turns:
                    record = buffer.popleft()
                    kind = record.__class__
                    if kind is Span:
                        spans += 1
                        projection.span(record)
                    elif kind is LogRecord:
                        logs += 1
                        projection.log(record)
                    else:
                        metrics += 1
                        self._aggregator.measure(record)
                failed = False
            if failed:
                self.dropped[_signal(record), "encode"] += 1
        projection.deliver()
        taken = self.taken
        taken["traces"] += spans
        taken["logs"] += logs
        taken["metrics"] += metrics

    def _send(self, *, everything: bool) -> None:
        now = monotonic()
        self._projection.seal_if_due(now, everything=everything)
        if not self.console_only:
            self._metrics.collect_if_due(now, everything=everything)

    @property
    def waiting(self) -> dict[str, int]:
        """About how many bytes wait, by signal."""
        waiting = self._projection.waiting
        return {
            "traces": self._overflow.bytes + waiting["traces"],
            "logs": waiting["logs"],
            "metrics": 0 if self.outputs.reader is None else self.outputs.reader.sender.waiting_bytes,
        }

    @property
    def fullness(self) -> float:
        """How full the buffer of records is, from 0 to 1."""
        return min(1.0, self._overflow.use)


def _signal(record: Any) -> str:
    return {Span: "traces", LogRecord: "logs"}.get(type(record), "metrics")


def _pause(taken: int, seconds: float) -> float:
    """How long to wait until about `_WAITING` records wait again, at the rate of the last `seconds`."""
    return _TICK if not taken else max(_LEAST_TICK, min(_TICK, seconds * _WAITING / taken))


def _nothing(*_: object) -> None:
    """No one asked to be told."""
