"""An app that calls upstream's httpx or Celery instrumentor gets no doubles from it while ours is active."""

from __future__ import annotations

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
def test_upstream_adds_nothing_while_ours_is_active(ours: Any, upstream: Any, state: Callable[[], object]) -> None:
    """Upstream's `instrument()` leads to ours: what is patched is patched once, by us."""
    ours().instrument()
    upstream().instrument()
    assert not upstream().is_instrumented_by_opentelemetry
    ours().uninstrument()
    before = state()
    ours().instrument()
    ours().uninstrument()
    assert state() == before


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
