"""The overflow: records that wait behind the head of the buffer, measured in bytes, fewer by what each is worth.

As long as the pipeline's thread keeps pace nothing is here, and records are not measured.
"""

from __future__ import annotations

from collections import deque
from sys import getsizeof
from typing import TYPE_CHECKING, Any

from otel_distro.pipeline.access import has_line
from otel_distro.pipeline.local_trace import LocalTrace, Mode
from otel_distro.pipeline.shedding import NOTHING, is_kept, level_of
from otel_distro.pipeline.span import Span, new_span
from otel_distro.record import LogRecord
from otel_distro.semconv import METRICS

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable

RECORD_BYTES = 1024
"""What a record that was not measured counts for."""
_MEASUREMENT = 250
_SPAN, _ATTRIBUTE, _EVENT, _LINK = 700, 100, 500, 300
_LOG = 600
_SAMPLES = 32
"""Of the records in the buffer about so many tell the size of all."""
_COUNTED_ONLY = LocalTrace(Mode.QUIET)
"""The local trace of what is left of a span: metrics count it, nothing else shows it."""
_MEASURED = frozenset(
    {attribute.key for metric in METRICS if metric.source for attribute in metric.attributes}
    | {metric.source.value for metric in METRICS if metric.source}
)
"""The attributes that metrics are derived from."""


class Overflow:
    """Bounded in bytes; what does not fit, or is not worth it any more, is counted. No lock: appends and pops only."""

    def __init__(self, max_bytes: int, dropped: Counter[tuple[str, str]], *, access_lines: bool = False) -> None:
        self._max = max(1, max_bytes)
        self._access_lines = access_lines
        self._dropped = dropped
        self.reset(deque())

    def reset(self, buffer: deque[Any]) -> None:
        """Nothing waits; what comes will be behind this buffer."""
        self._buffer = buffer
        self._waiting: deque[tuple[Any, int]] = deque()
        self._came = self._left = 0
        self.round()

    def round(self) -> None:
        """The pipeline's thread comes round: what is in the buffer is to be measured again, if need be."""
        if not self._waiting:
            self._each, self._is_measured = RECORD_BYTES, False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def bytes(self) -> int:
        """About how many bytes wait here and in the buffer."""
        return max(0, self._came - self._left) + self._each * len(self._buffer)

    @property
    def use(self) -> float:
        """How full it is, from 0 to 1."""
        return self.bytes / self._max

    @property
    def level(self) -> int:
        """What is given up at present."""
        return level_of(self.use)

    def put(self, signal: str, record: Any) -> bool:
        """Take a record, or what of it is worth its memory; false when nothing of it is."""
        if not self._is_measured:
            self._each, self._is_measured = _size_of_each(self._buffer), True
        level = self.level
        if level != NOTHING and not is_kept(record, level):
            self._drop(signal, record, "shed")
            if record.__class__ is not Span or not record.tracer.own:
                return False
            signal, record = "metrics", counted_only(record)  # the span is given up; what is left is a measurement
        size = size_of(record)
        if self.bytes + size > self._max:
            self._drop(signal, record, "buffer_full")
            if record.__class__ is Span and signal != "metrics":
                self._dropped["metrics", "buffer_full"] += 1  # what would have been derived from it
            return False
        self._came += size
        self._waiting.append((record, size))
        return True

    def _drop(self, signal: str, record: Any, cause: str) -> None:
        """Count it, and with a span the line that would have been derived from it."""
        self._dropped[signal, cause] += 1
        if self._access_lines and record.__class__ is Span and has_line(record):
            self._dropped["logs", cause] += 1

    def refill(self, count: int) -> None:
        """Move the first so many records into the buffer, which is empty; the pipeline's thread only."""
        waiting, buffer = self._waiting, self._buffer
        while count > 0 and waiting:
            record, size = waiting.popleft()
            self._left += size
            buffer.append(record)
            count -= 1
        if not waiting:
            self._left = self._came


def counted_only(span: Span) -> Span:
    """What metrics need of a span; a copy, as span processors may hold the span itself."""
    started, kind = span._start_time or 0, span._kind  # noqa: SLF001 - the record's fields
    made = new_span(span.tracer, span._name, span.trace_id, span.span_id, _COUNTED_ONLY, kind, started)  # noqa: SLF001
    made._attributes = {key: value for key, value in span._attributes.items() if key in _MEASURED}  # noqa: SLF001
    made._end_time = span._end_time  # noqa: SLF001
    return made


def size_of(record: Any) -> int:
    """About how many bytes a record holds."""
    kind = record.__class__
    if kind is Span:
        attributes = tuple(record._attributes.values())  # noqa: SLF001 - a copy: it may be at work on the other thread
        return _SPAN + _held_by(attributes) + (_more(record) if record.has_more else 0)
    if kind is LogRecord:
        return _LOG + getsizeof(record.body) + _held_by(tuple((record.attributes or {}).values()))
    return _MEASUREMENT


def _more(span: Span) -> int:
    size = 0
    for event in span._events:  # noqa: SLF001 - the record's field
        size += _EVENT + _held_by((event.attributes or {}).values())
    for link in span._links:  # noqa: SLF001
        size += _LINK + _held_by((link.attributes or {}).values())
    return size


def _held_by(values: Iterable[Any]) -> int:
    size = 0
    for value in values:
        size += _ATTRIBUTE + (_held_by(value) if value.__class__ is tuple else getsizeof(value))
    return size


def _size_of_each(buffer: deque[Any]) -> int:
    """About how many bytes one of them holds: by samples, as it is the app that waits."""
    records = list(buffer)
    samples = records[:: max(1, len(records) // _SAMPLES)]
    return sum(map(size_of, samples)) // max(1, len(samples))
