"""The distribution's own health: what it saw, kept, exported and lost."""

from __future__ import annotations

from otel_distro.semconv._model import DURATION_BUCKETS, Attribute, Instrument, Metric

SIGNAL = Attribute("otel_distro.signal", "Which signal", values=("traces", "metrics", "logs"))
CAUSE = Attribute(
    "otel_distro.drop.cause",
    "Why it was dropped",
    values=(
        "shed",
        "buffer_full",
        "queue_full",
        "refused",
        "rejected",
        "too_large",
        "undecided_budget",
        "keep_limit",
        "sampled",
        "shutdown",
        "encode",
        "spool_full",
        "too_old",
        "unreadable",
    ),
)
RESULT = Attribute("otel_distro.export.result", "How an export ended", values=("success", "retry", "failure"))
PLACE = Attribute("otel_distro.guard.place", "Guarded place in the distribution", bound="guarded places")

SCOPE = "otel_distro"


def _counter(name: str, unit: str, brief: str, *attributes: Attribute) -> Metric:
    return Metric(name, Instrument.COUNTER, unit, brief, attributes, observable=True)


RECORDS = _counter("otel_distro.records", "{record}", "Records the pipeline took", SIGNAL)
KEPT = _counter(
    "otel_distro.records.kept",
    "{record}",
    "Spans, log records and metric data points that were given to an exporter to be sent",
    SIGNAL,
)
EXPORTED = _counter(
    "otel_distro.records.exported",
    "{record}",
    "Spans, log records and metric data points that were taken where they were sent",
    SIGNAL,
)
DROPPED = _counter("otel_distro.records.dropped", "{record}", "Records dropped, by cause", SIGNAL, CAUSE)
EXPORTS = _counter("otel_distro.exports", "{export}", "Export requests by result", SIGNAL, RESULT)
EXPORT_DURATION = Metric(
    "otel_distro.export.duration",
    Instrument.HISTOGRAM,
    "s",
    "How long export requests took",
    (SIGNAL, RESULT),
    DURATION_BUCKETS,
)
GUARDED = _counter("otel_distro.guarded_failures", "{failure}", "Failures of our own that the app did not see", PLACE)
OVERFLOW = _counter(
    "otel_distro.cardinality.overflow", "{measurement}", "Measurements beyond a metric's cardinality limit"
)


def _gauge(name: str, unit: str, brief: str, *attributes: Attribute) -> Metric:
    return Metric(name, Instrument.GAUGE, unit, brief, attributes, observable=True)


BUFFERED = _gauge("otel_distro.buffered", "By", "Bytes held in memory: taken, undecided, queued for export", SIGNAL)
BUFFER_USE = _gauge("otel_distro.buffer.use", "1", "How full the fullest buffer in memory is, from 0 to 1", SIGNAL)
SPOOL_SIZE = _gauge("otel_distro.spool.size", "By", "Bytes that wait on disk, of those this process holds", SIGNAL)
SPOOL_AGE = _gauge("otel_distro.spool.age", "s", "Age of the oldest batch on disk, of those this process holds", SIGNAL)
LAG = _gauge(
    "otel_distro.pipeline.lag", "s", "Longest time within the last minutes that a record waited for the pipeline"
)
METRICS = (
    RECORDS,
    KEPT,
    EXPORTED,
    DROPPED,
    EXPORTS,
    EXPORT_DURATION,
    GUARDED,
    OVERFLOW,
    BUFFERED,
    BUFFER_USE,
    SPOOL_SIZE,
    SPOOL_AGE,
    LAG,
)
SPANS = ()
EVENTS = ()
