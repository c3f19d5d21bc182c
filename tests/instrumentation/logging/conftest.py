"""The standard library's logging under our instrumentation, in this process."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from otel_distro.instrumentation.logging import LoggingInstrumentor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Telemetry


@pytest.fixture
def logger(telemetry: Telemetry) -> Iterator[logging.Logger]:
    """A logger at DEBUG that does not propagate, recorded."""
    instrumentor = LoggingInstrumentor()
    instrumentor.instrument()
    made = logging.getLogger("shop.cart")
    made.setLevel(logging.DEBUG)
    made.propagate = False
    yield made
    made.propagate = True
    made.setLevel(logging.NOTSET)
    instrumentor.uninstrument()
