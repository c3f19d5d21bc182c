"""The pipeline's one thread: takes records, decides, aggregates, derives lines, feeds exporters; in short slices."""

from __future__ import annotations

from collections import Counter, deque
from threading import Condition, RLock, Thread, current_thread
from time import monotonic, perf_counter_ns, sleep
from typing import TYPE_CHECKING, Any

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, set_value

from otel_distro.guard import guard
from otel_distro.logs.limit import limiter
from otel_distro.logs.severity import severity
from otel_distro.pipeline.access import line_of
from otel_distro.pipeline.local_trace import Mode
from otel_distro.pipeline.span import Span
from otel_distro.pipeline.tracer import OWN_SCOPES
from otel_distro.record import LogRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_distro.exporter import Exporter
    from otel_distro.exporter.otlp import OtlpReader
    from otel_distro.pipeline.aggregate import Aggregator
    from otel_distro.pipeline.decide import Decider
    from otel_distro.record import Measurement

_TICK = 0.1
_SLICE_NS = 500_000
_HURRIED_SLICE_NS = 5_000_000
_PAUSE = 0.0002
_RECORD_BYTES = 1024
"""What a waiting record counts for in the buffer's budget; the text of a log record counts besides."""
_ERROR = 17
_STILL_ENDING = 10.0
_LAST_TRY_MILLIS = 200
_SIGNALS: dict[type, str] = {Span: "traces", LogRecord: "logs"}


class Outputs:
    """Where the pipeline's products go: exporters by signal, the push reader, the console."""

    def __init__(
        self,
        spans: Sequence[Exporter] = (),
        logs: Sequence[Exporter] = (),
        reader: OtlpReader | None = None,
        console: Callable[[Sequence[LogRecord]], None] | None = None,
    ) -> None:
        self.spans = tuple(spans)
        self.logs = tuple(logs)
        self.reader = reader
        self.console = console

    @property
    def exporters(self) -> tuple[Exporter, ...]:
        """The exporters of spans and logs."""
        return self.spans + self.logs


class Worker:
    """The `otel_distro.record.Sink`, and the thread behind it; the thread starts with the first record."""

    def __init__(self, outputs: Outputs, aggregator: Aggregator, decider: Decider, settings: Any) -> None:
        self.outputs = outputs
        self._aggregator = aggregator
        self._decider = decider
        self._max_records = max(1024, settings.buffer_bytes // _RECORD_BYTES)
        self._max_text = settings.buffer_bytes
        self._batch_size: int = settings.batch_size
        self._batch_delay: float = settings.batch_delay / 1000
        self._interval: float = settings.metric_interval / 1000
        self._lines: bool = settings.access_log
        self._least = severity(settings.log_level)
        self._limit = limiter(settings)
        self.on_start: Callable[[], None] = _nothing
        """Called on the thread that starts the worker, once per process, before the first record is processed."""
        self.on_flush: Callable[[float], object] = _nothing
        """Called in a flush with its deadline (`monotonic()`): what others added to the providers is flushed, too."""
        self.closed = False
        self.console_only = False
        self.reset()

    def reset(self) -> None:
        """Begin anew: nothing waits, nothing was counted, no thread; as a forked child must."""
        self._buffer: deque[Any] = deque()
        self._text = 0
        self.taken: Counter[str] = Counter()
        self.dropped: Counter[tuple[str, str]] = Counter()
        self._changed = Condition()
        self._asked = 0
        self._answered = 0
        self._export = False
        self._gave_up = float("-inf")
        self._thread: Thread | None = None
        self._open = {"traces": 0, "logs": 0}
        self._opened_at = {"traces": 0.0, "logs": 0.0}
        self._due = 0.0
        self._lines_due: deque[LogRecord] = deque()
        self._printing = RLock()  # a signal handler may log while this thread prints

    # -- called by the application's threads: no lock, no I/O but the console line of an error

    def take(self, span: Span) -> None:
        """An ended span."""
        if span.local.mode >= Mode.MEASURE and span.tracer.scope.name not in OWN_SCOPES:
            return
        self._put("traces", span)

    def log(self, record: LogRecord) -> None:
        """A log record; the console line of an error is written now."""
        if record.console and self.outputs.console is not None:
            self._lines_due.append(record)
            if record.severity_number >= _ERROR or len(self._lines_due) > self._max_records:
                self._print()  # with those before it, so that lines stay in order
        if self._put("logs", record):
            if len(record.body) > _RECORD_BYTES:
                self._text += len(record.body)
        elif self.closed or self.console_only:
            self._print()

    def measure(self, measurement: Measurement) -> None:
        """One measurement of a declared metric."""
        self._put("metrics", measurement)

    def _put(self, signal: str, record: Any) -> bool:
        if self.closed or self.console_only:
            return False
        buffer = self._buffer
        if len(buffer) >= self._max_records or self._text > self._max_text:
            self.dropped[signal, "buffer_full"] += 1
            return False
        buffer.append(record)
        if self._thread is None:
            self.start()
        return True

    def start(self) -> None:
        """Start the thread, unless it runs, or nothing is to be exported."""
        with self._changed:
            if self._thread is not None or self.closed or self.console_only:
                return
            self._due = monotonic() + self._interval
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
        settled = self.settle(deadline, export=True) if self._thread is not None or self._buffer else True
        with guard("pipeline.flush"):
            self.on_flush(deadline)
        senders = [exporter.flush(deadline) for exporter in self.outputs.exporters]
        if self.outputs.reader is not None:
            senders.append(self.outputs.reader.sender.flush(deadline))
        flushed = settled and all(senders)
        self._gave_up = float("-inf") if flushed else monotonic()
        return flushed

    def settle(self, deadline: float, *, export: bool = False) -> bool:
        """Wait until all taken is processed; with `export`, also given to the senders, and metrics collected."""
        thread = self._thread
        if self.closed:
            return True
        if thread is None or current_thread() is thread:
            self._drain()
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
        self.flush(timeout_millis)
        self.closed = True
        for exporter in self.outputs.exporters:
            exporter.shutdown(deadline)
        if self.outputs.reader is not None:
            self.outputs.reader.sender.shutdown(deadline)
        with self._changed:
            self._changed.notify_all()
        self._print()

    # -- the thread

    def _run(self) -> None:
        attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))  # noqa: FBT003 - a context value
        while not self.closed:
            with self._changed:
                if self._asked == self._answered:
                    self._changed.wait(_TICK)
                asked, export, self._export = self._asked, self._export, False
            with guard("pipeline"):
                self._drain(hurried=export)
                self._send(everything=export)
            if asked != self._answered:
                with self._changed:
                    self._answered = asked
                    self._changed.notify_all()

    def _drain(self, *, hurried: bool = False) -> None:
        """Process what waits, at most half a millisecond at a time; the event loop gets the interpreter in between.

        What comes meanwhile is for the next round: lines, metrics and those who asked for a flush wait no longer.
        `hurried`: somebody waits for a flush, so slices are as long as the interpreter lets a thread run anyway.
        """
        slice_ns = _HURRIED_SLICE_NS if hurried else _SLICE_NS
        buffer = self._buffer
        left = len(buffer)
        while left and buffer:
            until = perf_counter_ns() + slice_ns
            with self._aggregator.lock:
                while left and buffer and perf_counter_ns() < until:
                    self._process(buffer.popleft())
                    left -= 1
            self._print()
            if left:
                self._send(everything=False)
                sleep(0.0 if hurried else _PAUSE)
        if not buffer:
            self._text = 0
        self._print()

    def _process(self, record: Any) -> None:
        signal = _SIGNALS.get(type(record), "metrics")
        self.taken[signal] += 1
        processed = False
        with guard("pipeline.process"):
            if signal == "traces":
                self._span(record)
            elif signal == "logs":
                if len(record.body) > _RECORD_BYTES:
                    self._text -= len(record.body)
                self._log(record)
            else:
                self._aggregator.measure(record)
            processed = True
        if not processed:
            self.dropped[signal, "encode"] += 1

    def _span(self, span: Span) -> None:
        mode = span.local.mode
        if mode == Mode.EXPORT:
            self._aggregator.span(span, exported=bool(self.outputs.spans) and span.sampled)
            if span.sampled:
                self._add("traces", self.outputs.spans, span)
        elif mode == Mode.PRIVATE:
            kept = self._decider.take(span)
            self._aggregator.span(span, exported=bool(kept) and bool(self.outputs.spans))
            for one in kept:
                self._add("traces", self.outputs.spans, one)
        else:
            self._aggregator.span(span, exported=False)
        if self._lines and mode != Mode.QUIET:
            line = line_of(span)
            if line is not None and line.severity_number >= self._least:
                self._lines_due.append(line)
                self._log(line)

    def _log(self, record: LogRecord) -> None:
        if record.export:
            self._add("logs", self.outputs.logs, record if self._limit is None else self._limit(record))

    def _add(self, signal: str, exporters: Sequence[Exporter], item: Any) -> None:
        if not exporters:
            return
        if not self._open[signal]:
            self._opened_at[signal] = monotonic()
        self._open[signal] += 1
        for exporter in exporters:
            exporter.add(item)
        if self._open[signal] >= self._batch_size:
            self._seal(signal, exporters)

    def _seal(self, signal: str, exporters: Sequence[Exporter]) -> None:
        self._open[signal] = 0
        for exporter in exporters:
            with guard("pipeline.seal"):
                exporter.seal()

    def _send(self, *, everything: bool) -> None:
        now = monotonic()
        for signal, exporters in (("traces", self.outputs.spans), ("logs", self.outputs.logs)):
            if self._open[signal] and (everything or now - self._opened_at[signal] >= self._batch_delay):
                self._seal(signal, exporters)
        if self.outputs.reader is not None and (everything or now >= self._due) and not self.console_only:
            self._due = now + self._interval
            with guard("pipeline.collect"):
                self.outputs.reader.collect()

    def _print(self) -> None:
        due = self._lines_due
        if not due:
            return
        with self._printing:
            lines = [due.popleft() for _ in range(len(due))]
            if lines and self.outputs.console is not None:
                with guard("console"):
                    self.outputs.console(lines)

    @property
    def waiting(self) -> dict[str, int]:
        """About how many bytes wait, by signal."""
        return {
            "traces": len(self._buffer) * _RECORD_BYTES + self._decider.bytes + _bytes(self.outputs.spans),
            "logs": self._text + _bytes(self.outputs.logs),
            "metrics": 0 if self.outputs.reader is None else self.outputs.reader.sender.waiting_bytes,
        }


def _bytes(exporters: Sequence[Exporter]) -> int:
    return sum(exporter.waiting_bytes for exporter in exporters)


def _nothing(*_: object) -> None:
    """No one asked to be told."""
