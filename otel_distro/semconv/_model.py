"""What a declared signal is: attributes, metrics, events and log fields as named tuples.

Not dataclasses: every process that imports `otel_distro` makes these classes, and a dataclass takes ten times as long.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Instrument(str, Enum):
    """The OpenTelemetry instrument kinds the catalogue uses."""

    COUNTER = "counter"
    UPDOWNCOUNTER = "updowncounter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


class Kind(int, Enum):
    """Span kinds, with the numbers of `opentelemetry.trace.SpanKind`."""

    INTERNAL = 0
    SERVER = 1
    CLIENT = 2
    PRODUCER = 3
    CONSUMER = 4


class Attribute(NamedTuple):
    """A key. `values` closes its set; `bound` names what bounds it ("routes of the app"); else never on a metric."""

    key: str
    brief: str
    values: tuple[str, ...] = ()
    bound: str = ""
    sensitive: bool = False


class Source(NamedTuple):
    """Which ended spans a metric is derived from, and which value: their duration in seconds, an attribute, or 1."""

    scope: str
    kind: Kind
    value: str = "duration"
    """`duration`, `count`, or the key of a numeric attribute (spans without it are not measured)."""


class Metric(NamedTuple):
    """A metric. `attributes` are all it may carry; with a `source` the pipeline derives it from spans."""

    name: str
    instrument: Instrument
    unit: str
    brief: str
    attributes: tuple[Attribute, ...] = ()
    buckets: tuple[float, ...] = ()
    source: Source | None = None
    observable: bool = False


class LogField(NamedTuple):
    """A field of our log lines: `key` as OTLP attribute, `short` as JSON console field."""

    key: str
    brief: str
    short: str = ""
    sensitive: bool = False


class Event(NamedTuple):
    """A log record with an event name, and the attributes it may carry."""

    name: str
    brief: str
    attributes: tuple[Attribute, ...] = ()


class Span(NamedTuple):
    """A span we emit: its scope, kind, the form of its name, and the attributes it may carry."""

    scope: str
    kind: Kind
    name: str
    brief: str
    attributes: tuple[Attribute, ...] = ()


DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.3, 0.5, 0.75, 1.0, 2.0, 2.5, 5.0, 7.5, 10.0)
"""The stable conventions' boundaries in seconds, with 0.3 and 2 added for latency objectives (design decision 7)."""

SIZE_BUCKETS = (0.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0)
"""Boundaries in bytes."""


def prometheus_name(metric: Metric) -> str:
    """The name that Prometheus gives an OTLP metric (UnderscoreEscapingWithSuffixes)."""
    name = metric.name.replace(".", "_")
    suffix = {"s": "_seconds", "By": "_bytes", "1": "_ratio" if metric.instrument is Instrument.GAUGE else ""}
    name += suffix.get(metric.unit, "" if metric.unit.startswith("{") else f"_{metric.unit}" if metric.unit else "")
    if metric.instrument is Instrument.COUNTER:
        name += "_total"
    return name
