"""What becomes of each record: metrics of every span, spans and log records on their lanes, access lines, trails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.trace import SpanKind

from otel_distro.logs.limit import limiter
from otel_distro.logs.severity import severity
from otel_distro.pipeline.access import line_of
from otel_distro.pipeline.lane import Lane
from otel_distro.pipeline.local_trace import Mode
from otel_distro.pipeline.trail import Trail
from otel_distro.semconv.attributes import EXCEPTION_STACKTRACE
from otel_distro.semconv.errors import BREADCRUMBS, FINGERPRINT

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from otel_distro.config import Settings
    from otel_distro.exporter import Exporter
    from otel_distro.pipeline.aggregate import Aggregator
    from otel_distro.pipeline.decide import Decider
    from otel_distro.pipeline.span import Span
    from otel_distro.record import LogRecord

_CLIENT = SpanKind.CLIENT
_EXPORT, _PRIVATE, _QUIET = Mode.EXPORT, Mode.PRIVATE, Mode.QUIET
_ERROR, _SAMPLED = 17, 1
_FINGERPRINT, _STACK = FINGERPRINT.key, EXCEPTION_STACKTRACE.key


class Projection:
    """One record becomes three signals; the pipeline's thread only."""

    def __init__(
        self, aggregator: Aggregator, decider: Decider, settings: Settings, dropped: Counter[tuple[str, str]]
    ) -> None:
        self._aggregator = aggregator
        self._decider = decider
        self._dropped = dropped
        self._size, self._delay = settings.batch_size, settings.batch_delay / 1000
        self._access_lines: bool = settings.access_log
        self._least = severity(settings.log_level)
        self._limit = limiter(settings)
        self._trail = Trail(settings.breadcrumbs) if settings.breadcrumbs else None
        self.on_line: Callable[[LogRecord], object] = _nothing
        """Called with each line that is derived, before it leaves."""
        self.use((), (), _nothing)

    def use(
        self, spans: Sequence[Exporter], logs: Sequence[Exporter], print_line: Callable[[LogRecord], object]
    ) -> None:
        """Feed these exporters, and the console, from now on."""
        self._spans = Lane("traces", spans, self._size, self._delay, self._dropped)
        self._logs = Lane("logs", logs, self._size, self._delay, self._dropped)
        self._print = print_line

    def reset(self) -> None:
        """Begin anew, as a forked child must."""
        self._spans.reset()
        self._logs.reset()
        if self._trail is not None:
            self._trail.clear()

    def span(self, span: Span) -> None:
        """An ended span."""
        mode = span.local.mode
        lane = self._spans
        if mode is _EXPORT:
            exported = bool(span.flags & _SAMPLED and lane.exporters)
            self._aggregator.span(span, exported=exported)
            if exported:
                lane.pending.append(span)
        elif mode is _PRIVATE:
            kept = self._decider.take(span)
            exported = bool(kept and lane.exporters)
            self._aggregator.span(span, exported=exported)
            if exported:
                lane.pending += kept
        else:
            self._aggregator.span(span, exported=False)
        if self._access_lines and mode is not _QUIET and span._kind is not _CLIENT:  # noqa: SLF001 - the record's field
            self._tell(span)
        if self._trail is not None:
            if span.is_root:
                self._trail.pop(span.trace_id, None)
            else:
                self._trail[span.trace_id].append(span)

    def _tell(self, span: Span) -> None:
        line = line_of(span)
        if line is not None and line.severity_number >= self._least:
            self.on_line(line)
            self._print(line)
            if self._logs.exporters:
                self._logs.pending.append(line if self._limit is None else self._limit(line))

    def log(self, record: LogRecord) -> None:
        """A log record."""
        trail = self._trail
        if trail is not None and record.trace_id:
            if record.severity_number >= _ERROR:
                _add_trail(record, trail)
            trail[record.trace_id].append(record)
        if record.export and self._logs.exporters:
            self._logs.pending.append(record if self._limit is None else self._limit(record))

    def deliver(self) -> None:
        """Give what is pending to the exporters."""
        self._spans.deliver()
        self._logs.deliver()

    def seal_if_due(self, now: float, *, everything: bool) -> None:
        """Batches that are old enough leave; with `everything`, any that has an item."""
        self._spans.seal_if_due(now, everything=everything)
        self._logs.seal_if_due(now, everything=everything)

    @property
    def level(self) -> int:
        """What is given up at present, as exporters' queues are full."""
        return max(self._spans.level, self._logs.level)

    @property
    def waiting(self) -> dict[str, int]:
        """About how many bytes wait, by signal."""
        return {"traces": self._decider.bytes + self._spans.waiting_bytes, "logs": self._logs.waiting_bytes}


def _add_trail(record: LogRecord, trail: Trail) -> None:
    """What came before goes with an error that is told with its stack."""
    attributes = record.attributes
    if attributes and _FINGERPRINT in attributes and _STACK in attributes:
        before = trail.before(record)
        if before:
            record.attributes = {**attributes, BREADCRUMBS.key: before}


def _nothing(*_: object) -> None:
    """No one asked to be told."""
