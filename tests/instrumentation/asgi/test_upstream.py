"""Apps written for upstream's instrumentation keep their hooks and options, and get no second span."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI, Request
from opentelemetry.instrumentation import asgi as upstream_asgi
from opentelemetry.instrumentation import fastapi as upstream_fastapi
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.propagators import (
    TraceResponsePropagator,
    get_global_response_propagator,
    set_global_response_propagator,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracerProvider
from starlette.applications import Starlette

from otel_distro.instrumentation import asgi
from otel_distro.instrumentation.asgi import AsgiInstrumentor
from tests.conftest import Telemetry
from tests.instrumentation.asgi.conftest import Call


def shop() -> FastAPI:
    """An app with one route and a background task."""
    app = FastAPI()

    @app.post("/carts/{cart}")
    async def add(cart: str, request: Request, tasks: BackgroundTasks) -> str:
        await request.body()
        tasks.add_task(int)
        return cart

    return app


class Heard:
    """Hooks that note what they were called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def server_request_hook(self, span: Any, scope: Any) -> None:
        self.calls.append(("server", scope["path"]))
        span.set_attribute("hook", "seen")

    def client_request_hook(self, span: Any, scope: Any, message: Any) -> None:
        self.calls.append(("receive", message["type"]))

    def client_response_hook(self, span: Any, scope: Any, message: Any) -> None:
        self.calls.append(("send", message["type"]))

    @property
    def options(self) -> dict[str, Any]:
        """As keyword arguments of upstream's."""
        names = ("server_request_hook", "client_request_hook", "client_response_hook")
        return {name: getattr(self, name) for name in names}


ALL = [
    ("server", "/carts/1"),
    ("receive", "http.request"),
    ("send", "http.response.start"),
    ("send", "http.response.body"),
]


@pytest.mark.usefixtures("instrumented")
async def test_instrument_app_with_hooks_works_without_doubles(telemetry: Telemetry, call: Call) -> None:
    """One span, ours, with what the hooks put on it; each hook was called as upstream calls it."""
    app, heard = shop(), Heard()
    FastAPIInstrumentor.instrument_app(app, **heard.options)
    await call(app, "/carts/1", "POST", content=b"{}")
    (span,) = telemetry.spans()
    assert (span.name, (span.attributes or {})["hook"]) == ("POST /carts/{cart}", "seen")
    assert [entry for entry in dict.fromkeys(heard.calls) if entry != ("receive", "http.disconnect")] == ALL


@pytest.mark.usefixtures("instrumented")
async def test_hooks_of_excluded_spans_are_not_called_and_positions_count(telemetry: Telemetry, call: Call) -> None:
    """As upstream: exclude_spans silences the hooks of messages; hooks may be given by position."""
    app, heard = shop(), Heard()
    hooks = heard.options.values()
    FastAPIInstrumentor.instrument_app(app, *hooks, exclude_spans=["receive", "send"])  # type: ignore[misc]
    await call(app, "/carts/1", "POST")
    assert heard.calls == [("server", "/carts/1")]


@pytest.mark.usefixtures("instrumented")
async def test_a_failing_hook_costs_nothing_but_itself(telemetry: Telemetry, call: Call) -> None:
    """The request is answered and observed."""
    app = shop()

    def broken(*args: Any) -> None:
        raise ValueError

    FastAPIInstrumentor.instrument_app(app, server_request_hook=broken, client_response_hook=broken)
    assert (await call(app, "/carts/1", "POST")).status_code == 200
    assert len(telemetry.spans()) == 1


@pytest.mark.usefixtures("instrumented")
async def test_options_of_one_app_are_its_own(telemetry: Telemetry, call: Call) -> None:
    """Excluded URLs, captured headers and a tracer provider of one app do not touch another."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app, other = shop(), shop()
    FastAPIInstrumentor.instrument_app(
        app,
        excluded_urls="none,secret",
        http_capture_headers_server_request=["x-shop"],
        tracer_provider=provider,
    )
    for path in ("/carts/1", "/none"):
        await call(app, path, "POST", headers={"X-Shop": "berlin"})
        await call(other, path, "POST", headers={"X-Shop": "berlin"})
    (span,) = exporter.get_finished_spans()
    assert (span.attributes or {})["http.request.header.x-shop"] == ("berlin",)
    assert [span.name for span in telemetry.spans()] == ["POST /carts/{cart}", "POST"]


@pytest.mark.usefixtures("instrumented")
async def test_an_uninstrumented_app_is_left_alone(telemetry: Telemetry, call: Call) -> None:
    """uninstrument_app ends telemetry of that app; instrument_app begins it again; a second call has no effect."""
    app = shop()
    FastAPIInstrumentor.uninstrument_app(app)
    answer = await call(app, "/carts/1", "POST")
    assert (telemetry.spans(), "x-request-id" in answer.headers) == ([], False)
    heard = Heard()
    FastAPIInstrumentor.instrument_app(app)
    FastAPIInstrumentor.instrument_app(app, **heard.options)
    await call(app, "/carts/1", "POST")
    assert (len(telemetry.spans()), heard.calls) == (1, [])


@pytest.mark.usefixtures("instrumented")
async def test_instrument_with_hooks_is_for_all_apps(telemetry: Telemetry, call: Call) -> None:
    """Until uninstrument(), after which apps are watched without them."""
    heard = Heard()
    FastAPIInstrumentor().instrument(**heard.options)
    await call(shop(), "/carts/1", "POST")
    assert heard.calls[0] == ("server", "/carts/1")
    FastAPIInstrumentor().uninstrument()
    heard.calls.clear()
    await call(shop(), "/carts/1", "POST")
    assert (len(telemetry.spans()), heard.calls) == (2, [])


@pytest.mark.usefixtures("instrumented")
async def test_middleware_added_by_the_app_makes_no_second_span(telemetry: Telemetry, call: Call) -> None:
    """Its hooks are called with our span, its excluded URLs hold from the first request on."""
    app, heard = shop(), Heard()
    app.add_middleware(OpenTelemetryMiddleware, excluded_urls="none", **heard.options)
    await call(app, "/none", "POST")
    assert (telemetry.spans(), heard.calls) == ([], [])
    await call(app, "/carts/1", "POST")
    (span,) = telemetry.spans()
    assert (span.name, (span.attributes or {})["hook"], heard.calls[0]) == (
        "POST /carts/{cart}",
        "seen",
        ("server", "/carts/1"),
    )


@pytest.mark.usefixtures("instrumented")
async def test_middleware_around_the_app_makes_no_second_span(telemetry: Telemetry, call: Call) -> None:
    """Wrapped from outside, FastAPI or any other ASGI application has one span, ours."""
    heard = Heard()

    async def raw(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    await call(OpenTelemetryMiddleware(shop(), excluded_urls="none", **heard.options), "/carts/1", "POST")
    await call(OpenTelemetryMiddleware(raw, excluded_urls="none"), "/raw")
    await call(OpenTelemetryMiddleware(raw, excluded_urls="none"), "/none")
    assert [span.name for span in telemetry.spans()] == ["POST /carts/{cart}", "GET"]
    assert {span.instrumentation_scope.name for span in telemetry.spans()} == {"otel_distro.asgi"}
    assert [entry[0] for entry in heard.calls].count("server") == 1


@pytest.mark.usefixtures("instrumented")
async def test_middleware_with_a_provider_and_names_of_its_own(telemetry: Telemetry, call: Call) -> None:
    """Its tracer provider gets the span, and its `default_span_details` name it, with or without a route."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def details(scope: Any) -> tuple[str, dict[str, Any]]:
        return f"named {scope['path']}", {"detail": 7}

    app = OpenTelemetryMiddleware(shop(), tracer_provider=provider, default_span_details=details)
    await call(app, "/carts/1", "POST")
    (span,) = exporter.get_finished_spans()
    assert (span.name, (span.attributes or {})["detail"]) == ("named /carts/1", 7)
    assert (span.attributes or {})["http.route"] == "/carts/{cart}"
    added = shop()
    added.add_middleware(OpenTelemetryMiddleware, default_span_details=details)
    await call(added, "/carts/2", "POST")
    await call(OpenTelemetryMiddleware(shop(), tracer_provider=NoOpTracerProvider()), "/carts/3", "POST")
    assert [span.name for span in telemetry.spans()] == ["named /carts/2"]


@pytest.mark.usefixtures("instrumented")
async def test_a_global_response_propagator_is_asked(telemetry: Telemetry, call: Call) -> None:
    """What an app sets by upstream's `set_global_response_propagator` is in the response, besides ours."""
    before = get_global_response_propagator()
    set_global_response_propagator(TraceResponsePropagator())
    answer = await call(shop(), "/carts/1", "POST")
    set_global_response_propagator(before)
    (span,) = telemetry.spans()
    assert answer.headers["traceresponse"].split("-")[2] == f"{span.context.span_id:016x}"
    assert "x-request-id" in answer.headers


async def test_an_app_instrumented_by_upstream_before_has_one_span(
    telemetry: Telemetry, call: Call, instrument: Callable[..., None]
) -> None:
    """Whoever called upstream first keeps the hooks, and the span is ours."""
    app, heard = shop(), Heard()
    FastAPIInstrumentor.instrument_app(app, **heard.options)
    instrument()
    await call(app, "/carts/1", "POST")
    (server,) = [span for span in telemetry.spans() if span.kind.name == "SERVER"]
    assert server.instrumentation_scope is not None
    assert (server.instrumentation_scope.name, heard.calls[0][0]) == ("otel_distro.asgi", "server")
    AsgiInstrumentor().uninstrument()
    FastAPIInstrumentor.uninstrument_app(app)


def test_our_instrumentor_is_one_of_upstreams() -> None:
    """The subclass is there for whoever asks, with an instance of its own; nothing else is made up."""
    ours = asgi.FastAPIInstrumentor
    assert issubclass(ours, upstream_fastapi.FastAPIInstrumentor)
    assert type(ours()) is ours
    assert type(FastAPIInstrumentor()) is FastAPIInstrumentor
    with pytest.raises(AttributeError):
        _ = asgi.StarletteInstrumentor


async def test_our_subclass_instruments(telemetry: Telemetry, call: Call, instrument: object) -> None:
    """`instrument()` of the subclass switches ours on, with its hooks."""
    ours, heard = asgi.FastAPIInstrumentor(), Heard()
    ours.instrument(**heard.options)
    await call(shop(), "/carts/1", "POST")
    assert (len(telemetry.spans()), heard.calls[0][0]) == (1, "server")
    ours.uninstrument()
    telemetry.clear()
    await call(shop(), "/carts/1", "POST")
    assert "otel_distro.asgi" not in {span.instrumentation_scope.name for span in telemetry.spans()}


def test_upstream_is_as_before_when_ours_is_off(instrument: Callable[..., None]) -> None:
    """Its class and its middleware have their own methods again, twice in a row."""

    def methods() -> list[Any]:
        middleware = vars(upstream_asgi.OpenTelemetryMiddleware)["__call__"]
        names = ("instrument_app", "uninstrument_app", "_instrument", "_uninstrument")
        return [middleware, *(vars(FastAPIInstrumentor)[name] for name in names)]

    before = methods()
    for _ in range(2):
        instrument()
        assert all(a is not b for a, b in zip(methods(), before, strict=True))
        AsgiInstrumentor().uninstrument()
        assert methods() == before


async def test_options_of_the_instrumentor_hold_for_every_app(
    telemetry: Telemetry, call: Call, instrument: Callable[..., None]
) -> None:
    """AsgiInstrumentor().instrument() takes what upstream's takes, and Starlette is covered too."""
    instrument(excluded_urls="none")
    await call(Starlette(), "/none")
    await call(Starlette(), "/other")
    assert len(telemetry.spans()) == 1
