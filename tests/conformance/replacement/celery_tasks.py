"""Our Celery instrumentor under the name of upstream's."""

from __future__ import annotations

from opentelemetry.instrumentation import celery

from otel_distro.instrumentation.celery import CeleryInstrumentor

celery.CeleryInstrumentor = CeleryInstrumentor
