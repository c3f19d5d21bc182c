"""The distribution's own health: what it saw, kept, exported and lost."""

from __future__ import annotations

from otel_distro.semconv._model import Attribute, Event, Instrument, Metric
from otel_distro.semconv.attributes import EXCEPTION

SIGNAL = Attribute("otel_distro.signal", "Which signal", values=("traces", "metrics", "logs"))
CAUSE = Attribute(
    "otel_distro.drop.cause",
    "Why it was dropped",
    values=(
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
DROPPED = _counter("otel_distro.records.dropped", "{record}", "Records dropped, by cause", SIGNAL, CAUSE)
EXPORTS = _counter("otel_distro.exports", "{export}", "Export requests by result", SIGNAL, RESULT)
GUARDED = _counter("otel_distro.guarded_failures", "{failure}", "Failures of our own that the app did not see", PLACE)
OVERFLOW = _counter(
    "otel_distro.cardinality.overflow", "{measurement}", "Measurements beyond a metric's cardinality limit"
)
BUFFERED = Metric(
    "otel_distro.buffered",
    Instrument.GAUGE,
    "By",
    "Bytes held by the pipeline: undecided, queued for export",
    (SIGNAL,),
    observable=True,
)
METRICS = (RECORDS, DROPPED, EXPORTS, GUARDED, OVERFLOW, BUFFERED)
SPANS = ()
EXCEPTION_EVENT = Event("exception", "An exception, once, with its stack", EXCEPTION)
EVENTS = (EXCEPTION_EVENT,)
