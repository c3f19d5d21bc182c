"""An app that calls upstream's httpx or Celery instrumentor gets no doubles from it while ours is active."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from celery import signals
from opentelemetry.instrumentation.celery import CeleryInstrumentor as UpstreamCelery
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor as UpstreamHttpx

from otel_distro.instrumentation.celery import CeleryInstrumentor
from otel_distro.instrumentation.httpx import HttpxInstrumentor

PAIRS = [
    pytest.param(HttpxInstrumentor, UpstreamHttpx, lambda: id(vars(httpx.HTTPTransport)["handle_request"]), id="httpx"),
    pytest.param(CeleryInstrumentor, UpstreamCelery, lambda: tuple(signals.task_prerun.receivers), id="celery"),
]


@pytest.mark.parametrize(("ours", "upstream", "state"), PAIRS)
def test_upstream_does_nothing_while_ours_is_active(
    ours: Any, upstream: Any, state: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    """Upstream's `instrument()` changes nothing, and says so when it was given hooks that are not called."""
    ours().instrument()
    before = state()
    with caplog.at_level(logging.WARNING, "otel_distro"):
        upstream().instrument(request_hook=print)
    assert state() == before
    assert "not called: request_hook" in caplog.text
    ours().uninstrument()


@pytest.mark.parametrize(("ours", "upstream", "state"), PAIRS)
def test_upstream_works_again_after_uninstrument(ours: Any, upstream: Any, state: Callable[[], object]) -> None:
    """Once ours is off, upstream's does what it always did."""
    before = state()
    ours().instrument()
    ours().uninstrument()
    upstream().instrument()
    assert state() != before
    upstream().uninstrument()
    assert state() == before


@pytest.mark.parametrize(("ours", "upstream", "state"), PAIRS)
def test_upstream_that_was_first_is_put_aside(ours: Any, upstream: Any, state: Callable[[], object]) -> None:
    """Upstream's instrumentor that was active before ours is switched off for as long as ours is on."""
    upstream().instrument()
    ours().instrument()
    assert not upstream().is_instrumented_by_opentelemetry
    ours().uninstrument()
    assert upstream().is_instrumented_by_opentelemetry
    upstream().uninstrument()


def test_upstream_s_per_client_call_does_nothing() -> None:
    """`HTTPXClientInstrumentor.instrument_client(client)` leaves the client alone while ours is active."""
    HttpxInstrumentor().instrument()
    with httpx.Client() as client:
        before = dict(vars(client._transport))
        UpstreamHttpx.instrument_client(client)
        assert vars(client._transport) == before
    HttpxInstrumentor().uninstrument()
