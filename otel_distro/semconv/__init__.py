"""The catalogue: every metric, span, event and log field we emit, declared once; all else derives from it."""

from __future__ import annotations

from otel_distro.semconv import db, http, messaging, own
from otel_distro.semconv._model import (
    Attribute,
    Event,
    Instrument,
    Kind,
    LogField,
    Metric,
    Source,
    Span,
    prometheus_name,
)
from otel_distro.semconv.attributes import LOG_FIELDS

AREAS = {"http": http, "db": db, "messaging": messaging, "own": own}
METRICS: tuple[Metric, ...] = tuple(metric for area in AREAS.values() for metric in area.METRICS)
SPANS: tuple[Span, ...] = tuple(span for area in AREAS.values() for span in area.SPANS)
EVENTS: tuple[Event, ...] = tuple(event for area in AREAS.values() for event in area.EVENTS)

__all__ = [
    "AREAS",
    "EVENTS",
    "LOG_FIELDS",
    "METRICS",
    "SPANS",
    "Attribute",
    "Event",
    "Instrument",
    "Kind",
    "LogField",
    "Metric",
    "Source",
    "Span",
    "prometheus_name",
]
