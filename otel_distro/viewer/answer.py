"""What the query layer answers: plain frozen values, ids in hex, times in nanoseconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")
TEMPORALITIES = ("unspecified", "delta", "cumulative")


@dataclass(frozen=True)
class Span:
    """One span."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    service: str
    scope: str
    start_ns: int
    end_ns: int
    status: str
    status_message: str
    request_id: str | None
    attributes: dict[str, Any]
    events: list[dict[str, Any]]
    links: list[dict[str, Any]]
    resource: dict[str, Any]

    @property
    def duration_ms(self) -> float:
        """How long it took."""
        return max(0, self.end_ns - self.start_ns) / 1e6


@dataclass(frozen=True)
class Log:
    """One log record; `logger` is the name of its instrumentation scope."""

    time_ns: int
    severity: int
    severity_text: str
    body: str
    event_name: str
    service: str
    logger: str
    trace_id: str | None
    span_id: str | None
    request_id: str | None
    attributes: dict[str, Any]
    resource: dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One line of a trace's tree: a span, or a log record inside the span `depth` levels up less one."""

    depth: int
    span: Span | None
    log: Log | None


@dataclass(frozen=True)
class Trace:
    """A trace as a tree, in the order it reads: each span, then what happened in it by time."""

    trace_id: str
    entries: tuple[Entry, ...]
    truncated: bool

    @property
    def spans(self) -> tuple[Span, ...]:
        """Its spans, in the order of the tree."""
        return tuple(entry.span for entry in self.entries if entry.span is not None)

    @property
    def logs(self) -> tuple[Log, ...]:
        """Its log records, in the order of the tree."""
        return tuple(entry.log for entry in self.entries if entry.log is not None)


@dataclass(frozen=True)
class TraceSummary:
    """One row of the list of traces; `name` and `service` are those of its earliest root."""

    trace_id: str
    name: str
    service: str
    services: tuple[str, ...]
    request_id: str | None
    start_ns: int
    end_ns: int
    spans: int
    errors: int

    @property
    def duration_ms(self) -> float:
        """From its first start to its last end."""
        return max(0, self.end_ns - self.start_ns) / 1e6


@dataclass(frozen=True)
class Metric:
    """A metric's name with how many series and points are stored."""

    name: str
    type: str
    unit: str
    description: str
    series: int
    points: int


@dataclass(frozen=True)
class Exemplar:
    """A measurement, and the span it was made in."""

    time_ns: int
    value: float | str
    trace_id: str
    span_id: str


@dataclass(frozen=True)
class Series:
    """A series and what it amounts to: cumulative runs and delta points summed, a gauge its last value."""

    name: str
    type: str
    unit: str
    temporality: str
    service: str
    attributes: dict[str, Any]
    resource: dict[str, Any]
    start_ns: int
    time_ns: int
    points: int
    value: float | None
    count: int | None
    sum: float | None
    min: float | None
    max: float | None
    buckets: dict[str, Any] | None
    exemplars: tuple[Exemplar, ...]


@dataclass(frozen=True)
class Counts:
    """How much the store holds, and what was dropped, by cause."""

    traces: int
    spans: int
    logs: int
    metric_points: int
    exemplars: int
    dropped: dict[str, int]
