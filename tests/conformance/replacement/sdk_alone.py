"""Our providers under the SDK's names, each on its own: as the SDK's suites make them."""

from __future__ import annotations

from opentelemetry.sdk import metrics, trace
from standing import MeterProvider

from otel_distro.pipeline.tracer import TracerProvider

trace.TracerProvider = TracerProvider  # type: ignore[misc]
metrics.MeterProvider = MeterProvider  # type: ignore[misc]
