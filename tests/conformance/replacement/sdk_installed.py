"""Our providers under the SDK's names, joined to one pipeline as the configurator does: for instrumentations' suites.

A test makes a tracer provider with an in-memory exporter and a meter provider with an in-memory reader. Spans go to the
exporter, as to any processor, and to the pipeline of the meter provider made last, which derives its metrics from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import standing
from opentelemetry.sdk import metrics, trace

from otel_distro.pipeline import tracer
from otel_distro.record import HANDOVER

if TYPE_CHECKING:
    from otel_distro.pipeline.span import Span


class MeterProvider(standing.MeterProvider):
    """The last one made is the one of the process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        HANDOVER.sink = self.pipeline.worker


class TracerProvider(tracer.TracerProvider):
    """Hands its spans to the pipeline of the process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, take=_take, **kwargs)


def _take(span: Span) -> None:
    take = getattr(HANDOVER.sink, "take", None)
    if take is not None:
        take(span)


trace.TracerProvider = TracerProvider  # type: ignore[misc]
metrics.MeterProvider = MeterProvider  # type: ignore[misc]
