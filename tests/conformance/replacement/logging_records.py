"""Our logging instrumentor under the name of upstream's."""

from __future__ import annotations

from opentelemetry.instrumentation import logging

from otel_distro.instrumentation.logging import LoggingInstrumentor

logging.LoggingInstrumentor = LoggingInstrumentor
