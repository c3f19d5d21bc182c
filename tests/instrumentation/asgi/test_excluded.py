"""Routes that are quiet, and URLs that are excluded: two degrees of silence."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.instrumentation.utils import (
    is_instrumentation_enabled,
    suppress_http_instrumentation,
    suppress_instrumentation,
)

from otel_distro.context.work import request_id
from tests.conftest import Telemetry
from tests.instrumentation.asgi.conftest import Call
from tests.instrumentation.asgi.scopes import ignore, receive_nothing, scope_of

HISTOGRAM = "http.server.request.duration"


def probed() -> FastAPI:
    """An app whose every route makes a span of its own."""
    app = FastAPI()

    @app.get("/{path:path}")
    async def probe(path: str) -> list[Any]:
        with trace.get_tracer("app").start_as_current_span("child"):
            return [is_instrumentation_enabled(), request_id()]

    return app


@pytest.mark.parametrize(
    ("setting", "path", "quiet"),
    [
        (("/health",), "/health", True),
        (("/health",), "/healthy", False),
        (("/health",), "/health/live", False),
        (("/internal/*",), "/internal/a/b", True),
        (("/internal/*",), "/internals", False),
        ((), "/health", False),
    ],
)
async def test_a_quiet_route_is_only_counted(  # noqa: PLR0913 - fixtures and cases
    telemetry: Telemetry,
    call: Call,
    settings: Callable[..., None],
    instrument: Callable[..., None],
    setting: tuple[str, ...],
    path: str,
    quiet: bool,
) -> None:
    """No span, no child, no access line; the histogram counts it; the answer still has its id."""
    settings(quiet_routes=setting)
    instrument()
    answer = await call(probed(), path)
    assert answer.headers["x-request-id"]
    assert len(telemetry.spans()) == (0 if quiet else 2)
    assert len(telemetry.logs()) == (0 if quiet else 1)
    assert [point.count for point in telemetry.points(HISTOGRAM)] == [1]


async def test_quiet_is_quiet_under_a_root_path_too(telemetry: Telemetry, instrumented: None) -> None:
    """The path that a proxy prefixes does not make /health another route."""
    await FastAPI()(scope_of("/shop/health", root_path="/shop"), receive_nothing, ignore)
    assert telemetry.spans() == []


@pytest.mark.parametrize("variable", ["OTEL_PYTHON_FASTAPI_EXCLUDED_URLS", "OTEL_PYTHON_EXCLUDED_URLS"])
async def test_an_excluded_url_has_no_telemetry_at_all(
    telemetry: Telemetry, call: Call, instrument: Callable[..., None], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """No metrics, no headers of ours, no request id, and instrumentation inside is suppressed."""
    monkeypatch.setenv(variable, "probe$, shop.test/other")
    instrument()
    app = probed()
    for path in ("/probe", "/other/thing"):
        answer = await call(app, path)
        assert answer.json() == [False, None]
        assert set(answer.headers) == {"content-length", "content-type"}
    assert (telemetry.points(HISTOGRAM), telemetry.logs()) == ([], [])
    assert telemetry.spans() == []
    assert (await call(app, "/probed")).json()[0] is True


async def test_the_fastapi_variable_hides_the_general_one(
    telemetry: Telemetry, call: Call, instrument: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As upstream reads them: the specific one alone counts when both are set."""
    monkeypatch.setenv("OTEL_PYTHON_FASTAPI_EXCLUDED_URLS", "one")
    monkeypatch.setenv("OTEL_PYTHON_EXCLUDED_URLS", "two")
    instrument()
    app = FastAPI()
    await call(app, "/one")
    await call(app, "/two")
    assert [(span.attributes or {})["url.path"] for span in telemetry.spans()] == ["/two"]


async def test_a_bad_pattern_is_named_and_ignored(
    telemetry: Telemetry,
    call: Call,
    instrument: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One line names the variable; requests are observed."""
    monkeypatch.setenv("OTEL_PYTHON_EXCLUDED_URLS", "*[")
    with caplog.at_level(logging.WARNING):
        instrument()
    await call(FastAPI(), "/none")
    assert "OTEL_PYTHON_EXCLUDED_URLS" in caplog.text
    assert len(telemetry.spans()) == 1


async def test_suppressed_instrumentation_suppresses_requests(
    telemetry: Telemetry, call: Call, instrumented: None
) -> None:
    """A call from code that suppresses instrumentation, or that of HTTP, is not observed."""
    for suppress in (suppress_instrumentation, suppress_http_instrumentation):
        with suppress():
            answer = await call(FastAPI(), "/none")
        assert (telemetry.spans(), "x-request-id" in answer.headers) == ([], False)
