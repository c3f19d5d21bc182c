"""What is known of the work in hand reaches the root span and every line, and ends with the work."""

from __future__ import annotations

import asyncio
import logging
from time import time_ns
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import Depends, FastAPI

import otel_distro
from otel_distro import config
from otel_distro.context.identity import forget_key
from otel_distro.context.work import CURRENT, GRACE_NS, Work, current_fields
from otel_distro.instrumentation.asgi import AsgiInstrumentor
from otel_distro.instrumentation.logging import LoggingInstrumentor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Telemetry

logger = logging.getLogger("app.orders")


def _signed_in() -> None:
    otel_distro.bind(user="alice@example.com", session="s-1", tier="free", tenant="acme")


def _app() -> FastAPI:
    app = FastAPI()

    @app.get("/orders", dependencies=[Depends(_signed_in)])
    async def orders() -> dict[str, str | None]:
        logger.warning("listing")
        return {"request_id": otel_distro.request_id()}

    return app


@pytest.fixture
def instrumented() -> Iterator[None]:
    """ASGI and logging under instrumentation."""
    used: list[Any] = [AsgiInstrumentor(), LoggingInstrumentor()]
    for instrumentor in used:
        instrumentor.instrument()
    yield
    for instrumentor in used:
        instrumentor.uninstrument()


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Environment for `config.load`, in force once filled by the test with `_use`."""
    before = config.use(None)
    yield {"OTEL_DISTRO_CACHE_DIR": str(tmp_path)}
    config.use(before)
    forget_key()


def _use(environment: dict[str, str]) -> None:
    config.use(config.load(environment))
    forget_key()


def _get(path: str, **headers: str) -> httpx.Response:
    async def call() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(_app()), base_url="http://shop") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(call())


@pytest.mark.usefixtures("instrumented")
def test_what_a_sync_dependency_binds_is_on_span_and_lines(telemetry: Telemetry, settings: dict[str, str]) -> None:
    """A `def` dependency runs in a threadpool with a copy of the context; what it binds still holds for the request."""
    _use({**settings, "OTEL_DISTRO_IDENTITY_KEY": "key"})
    assert _get("/orders", **{"X-Request-ID": "r-1"}).json() == {"request_id": "r-1"}
    (span,) = telemetry.spans("GET /orders")
    bound = {key: span.attributes[key] for key in ("request_id", "user.hash", "session.id", "user.tier", "tenant.id")}
    assert (bound["request_id"], bound["user.tier"], bound["tenant.id"]) == ("r-1", "free", "acme")
    assert "alice" not in str(bound)
    assert "s-1" not in bound["session.id"]
    for body in ("listing", "request_completed"):
        (line,) = telemetry.logs(body)
        assert {key: (line.fields or {})[key] for key in bound} == bound


@pytest.mark.usefixtures("instrumented")
def test_raw_identity_is_an_explicit_setting(telemetry: Telemetry, settings: dict[str, str]) -> None:
    """With OTEL_DISTRO_IDENTITY=raw the user's own id is recorded as `user.id`."""
    _use({**settings, "OTEL_DISTRO_IDENTITY": "raw"})
    _get("/orders")
    (span,) = telemetry.spans("GET /orders")
    assert span.attributes["user.id"] == "alice@example.com"
    assert "user.hash" not in span.attributes


def test_hosts_with_one_key_hash_alike(settings: dict[str, str]) -> None:
    """The hash depends on key and user only; another key gives another hash."""
    hashes = []
    for key in ("one", "one", "two"):
        _use({**settings, "OTEL_DISTRO_IDENTITY_KEY": key})
        CURRENT.set(Work())
        otel_distro.bind(user="bob")
        hashes.append(current_fields(time_ns())["user.hash"])
    assert hashes[0] == hashes[1] != hashes[2]


def test_without_a_key_the_host_has_one(settings: dict[str, str], tmp_path: Path) -> None:
    """The key is made once, readable by its owner only, and used by every process after."""
    _use(settings)
    CURRENT.set(Work())
    otel_distro.bind(user="bob")
    first = current_fields(time_ns())["user.hash"]
    forget_key()
    otel_distro.bind(user="bob")
    assert current_fields(time_ns())["user.hash"] == first
    assert (tmp_path / "identity.key").stat().st_mode & 0o777 == 0o600


def test_an_unwritable_cache_is_one_line(settings: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    """Where no key can be kept, the setting is named once and the app goes on."""
    _use({**settings, "OTEL_DISTRO_CACHE_DIR": "/proc/nowhere"})
    CURRENT.set(Work())
    for user in ("bob", "eve"):
        otel_distro.bind(user=user)
    assert "user.hash" in current_fields(time_ns())
    assert len([record for record in caplog.records if "OTEL_DISTRO_CACHE_DIR" in record.message]) == 1


def test_the_context_ends_thirty_seconds_after_the_work(settings: dict[str, str]) -> None:
    """What a request left running keeps its ids for 30 s, and then no more."""
    _use(settings)
    work = Work({"request_id": "r-1"})
    CURRENT.set(work)
    now = time_ns()
    work.end(now)
    assert current_fields(now + GRACE_NS) == {"request_id": "r-1"}
    assert current_fields(now + GRACE_NS + 1) == {}


def test_records_keep_the_fields_they_had() -> None:
    """Binding more does not change what was handed over before."""
    work = Work({"request_id": "r-1"})
    before = work.fields
    work.add({"user.tier": "paid"})
    assert before == {"request_id": "r-1"}
    assert work.fields == {"request_id": "r-1", "user.tier": "paid"}
