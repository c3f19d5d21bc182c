"""Instrument and uninstrument structlog in this process."""

from __future__ import annotations

from structlog._base import BoundLoggerBase

from otel_distro.instrumentation.structlog import StructlogInstrumentor


def test_uninstrument_restores_structlog() -> None:
    """Instrumented and uninstrumented twice, structlog's method is as before."""
    before = BoundLoggerBase._proxy_to_logger
    for _ in range(2):
        StructlogInstrumentor().instrument()
        assert BoundLoggerBase._proxy_to_logger is not before
        StructlogInstrumentor().uninstrument()
    assert BoundLoggerBase._proxy_to_logger is before
