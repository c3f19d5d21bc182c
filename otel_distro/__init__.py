"""OpenTelemetry for FastAPI, SQLAlchemy and Celery: one observation, three signals that agree."""

from __future__ import annotations

from otel_distro._version import __version__
from otel_distro.capture import breadcrumb, capture_exception, capture_message
from otel_distro.context.work import bind, request_id

__all__ = ["__version__", "bind", "breadcrumb", "capture_exception", "capture_message", "request_id"]
