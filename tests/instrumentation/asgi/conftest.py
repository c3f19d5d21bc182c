"""The instrumentation switched on, and real applications called through their ASGI face."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from otel_distro import config
from otel_distro.instrumentation.asgi import AsgiInstrumentor
from tests.conftest import Telemetry

Call = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture(autouse=True)
def settings(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Settings of the test, in force before the instrumentation is."""
    before = config.use(config.load({})._replace(cache_dir=tmp_path))

    def use(**values: Any) -> None:
        config.use(config.current()._replace(**values))

    yield use
    config.use(before)


@pytest.fixture
def instrument(telemetry: Telemetry) -> Iterator[Callable[..., None]]:
    """Switches the instrumentation on, with the options given, for this test."""
    yield lambda **options: AsgiInstrumentor().instrument(**options)
    if AsgiInstrumentor().is_instrumented_by_opentelemetry:
        AsgiInstrumentor().uninstrument()


@pytest.fixture
def instrumented(instrument: Callable[..., None], settings: object) -> None:
    """The instrumentation is on, as the settings say."""
    instrument()


@pytest.fixture
def call() -> Call:
    """Calls an app in this task; takes what `httpx.AsyncClient.request` takes."""

    async def request(app: Any, path: str, method: str = "GET", **kwargs: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
            return await client.request(method, path, **kwargs)

    return request
