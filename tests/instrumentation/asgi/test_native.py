"""FastAPI's own telemetry is off while ours is on."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

from fastapi import BackgroundTasks, Depends, FastAPI

from otel_distro.instrumentation.asgi import AsgiInstrumentor
from tests.conftest import Telemetry
from tests.instrumentation.asgi.conftest import Call

NATIVE = "telemetry" in inspect.signature(FastAPI.__init__).parameters


def busy() -> FastAPI:
    """An app in which native telemetry would find everything it looks for."""
    app, inner = FastAPI(), FastAPI()

    @app.get("/{number}", dependencies=[Depends(lambda: None)])
    async def answer(number: int, tasks: BackgroundTasks) -> int:
        tasks.add_task(int)
        return 1 // number

    @inner.get("/{number}")
    async def inside(number: int) -> int:
        return number

    app.mount("/inner", inner)
    return app


def scopes(telemetry: Telemetry) -> set[str]:
    """The scopes of all that was emitted."""
    found = {span.instrumentation_scope.name for span in telemetry.spans()}
    return found | {record.scope for record in telemetry.logs()}


async def test_native_telemetry_emits_nothing(telemetry: Telemetry, call: Call, instrumented: None) -> None:
    """Requests, mounted apps, validation failures and exceptions: one span each, and every one is ours."""
    app = busy()
    for path in ("/1", "/0", "/text", "/inner/1"):
        await call(app, path)
    assert len(telemetry.spans()) == 4
    assert {name for name in scopes(telemetry) if name.startswith("fastapi")} == set()
    (scope,) = metric_scopes(telemetry, "http.server.request.duration")
    assert scope.startswith("otel_distro")


async def test_apps_made_before_are_silenced_and_later_restored(
    telemetry: Telemetry, call: Call, instrument: Any
) -> None:
    """Native telemetry comes back with the app's own configuration when ours goes, twice in a row."""
    app = busy()
    for _ in range(2):
        instrument()
        telemetry.clear()
        await call(app, "/inner/1")
        assert [span.name for span in telemetry.spans()] == ["GET /inner/{number}"]
        assert {name for name in scopes(telemetry) if name.startswith("fastapi")} == set()
        AsgiInstrumentor().uninstrument()
    telemetry.clear()
    await call(app, "/inner/1")
    assert ("fastapi" in scopes(telemetry)) is NATIVE


async def test_the_apps_own_configuration_is_given_back(telemetry: Telemetry, call: Call, instrument: Any) -> None:
    """An app that had switched tracing off still has, afterwards; and that it was on comes back too."""
    if not NATIVE:
        return
    instrument()
    silent, speaking = FastAPI(telemetry={"tracing": False}), FastAPI()
    AsgiInstrumentor().uninstrument()
    await call(silent, "/none")
    await call(speaking, "/none")
    assert len(telemetry.spans()) == 1


def test_fastapis_warnings_name_the_apps_file(instrumented: None) -> None:
    """A deprecated argument is reported where the app gives it, as without us."""
    if not NATIVE:
        return
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        FastAPI(root_path="/api")
    assert [warning.filename for warning in seen] == [__file__]


def metric_scopes(telemetry: Telemetry, name: str) -> list[str]:
    """The scopes that emit this metric."""
    data = telemetry._reader.get_metrics_data()
    assert data is not None
    return [s.scope.name for s in data.resource_metrics[0].scope_metrics if name in {m.name for m in s.metrics}]
