"""The catalogue: every metric, span, event and log field we emit, declared once; all else derives from it.

What is the same for all areas is put together on first use: an application that imports `otel_distro` needs none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from types import ModuleType

    AREAS: dict[str, ModuleType]
    METRICS: tuple[Metric, ...]
    SPANS: tuple[Span, ...]
    EVENTS: tuple[Event, ...]

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


def __getattr__(name: str) -> Any:
    if name not in {"AREAS", "METRICS", "SPANS", "EVENTS"}:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from otel_distro.semconv import db, errors, http, messaging, own

    areas = {"http": http, "db": db, "messaging": messaging, "errors": errors, "own": own}
    made = {"AREAS": areas} | {
        kind: tuple(signal for area in areas.values() for signal in getattr(area, kind))
        for kind in ("METRICS", "SPANS", "EVENTS")
    }
    globals().update(made)
    return made[name]
