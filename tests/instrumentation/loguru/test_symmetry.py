"""Instrument and uninstrument loguru in this process."""

from __future__ import annotations

from loguru._logger import Handler, Logger

from otel_distro.instrumentation.loguru import LoguruInstrumentor


def test_uninstrument_restores_loguru() -> None:
    """Instrumented and uninstrumented twice, loguru's methods are as before."""
    before = Logger._log, Handler.emit
    for _ in range(2):
        LoguruInstrumentor().instrument()
        assert Logger._log is not before[0]
        LoguruInstrumentor().uninstrument()
    assert (Logger._log, Handler.emit) == before
