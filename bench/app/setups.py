"""The set-ups that take turns in one process: how each is switched on and off, and which threads are its own."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from threading import Thread
from threading import enumerate as enumerate_threads
from typing import Any

from shop import Shop

_NATIVE_OFF = {"tracing": False, "metrics": False, "logs": False}
"""FastAPI's own telemetry reports to whatever provider is global: it must not wake up in the wrong app."""
_THREAD_CLOCK = 6
_FLUSH_MILLIS = 10_000
PARTS = ("asgi", "httpx", "logging", "sqlalchemy")
"""Ours, by instrumentation."""


def _nobody(_user: str) -> None:
    """Nobody is told who the user is."""


class Setup:
    """One app and what observes it."""

    def __init__(self, name: str, identify: Callable[[str], None] = _nobody) -> None:
        self.name = name
        self.shop = Shop(identify, telemetry=_NATIVE_OFF)
        self.threads: set[Thread] = set()
        self.has_native_threads = False
        """Whether a library of its own has threads that Python does not know."""

    def started(self) -> None:
        """The app's client and engine are there."""

    def on(self) -> None:
        """From here on the app is observed."""

    def off(self) -> None:
        """From here on it is not."""

    def settle(self) -> None:
        """What this block left to the threads is worked off, so that it does not disturb another's block."""

    def flush(self) -> None:
        """All is exported."""

    def thread_cpu(self) -> float:
        """Seconds of CPU of its threads."""
        return sum(map(_cpu, self.threads)) + (native_cpu() if self.has_native_threads else 0.0)


def native_cpu() -> float:
    """Seconds of CPU of all threads that Python does not know."""
    return time.process_time() - sum(map(_cpu, enumerate_threads()))


def _cpu(thread: Thread) -> float:
    with suppress(OSError):
        return time.clock_gettime(~(thread.native_id or 0) << 3 | _THREAD_CLOCK)
    return 0.0


class Bare(Setup):
    """Nothing."""


class Ours(Setup):
    """Ours as in production: OTLP, request id, user, JSON lines, all instrumentations of what the app uses."""

    def __init__(self, name: str, parts: Collection[str] = PARTS, **variables: str) -> None:
        from otel_distro import bind, config
        from otel_distro.assembly import assemble

        super().__init__(name, lambda user: bind(user=user))
        self._variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": os.environ["BENCH_SINK"],
            "OTEL_EXPORTER_OTLP_HEADERS": f"x-bench-variant={name}",
            "OTEL_DISTRO_QUIET_ROUTES": "/none",
            "OTEL_DISTRO_LOG_FORMAT": "json",
            "OTEL_SERVICE_NAME": "bench",
            **variables,
        }
        self._settings = config.load(self._variables)
        os.environ.update(variables)  # samplers are the SDK's to read
        self.pipeline = assemble(self._settings)
        for variable in variables:
            del os.environ[variable]
        self._instrumentors = [made for part, made in _instrumentors().items() if part in parts]

    def on(self) -> None:
        """Patch everything, and take the hand-over."""
        from otel_distro import config
        from otel_distro.record import HANDOVER

        config.use(self._settings)
        HANDOVER.sink = self.pipeline.worker
        for instrumentor in self._instrumentors:
            instrumentor.instrument(
                tracer_provider=self.pipeline.tracer_provider, meter_provider=self.pipeline.meter_provider
            )

    def off(self) -> None:
        """As before `on`."""
        from otel_distro.record import HANDOVER, Discard

        for instrumentor in self._instrumentors:
            instrumentor.uninstrument()
        HANDOVER.sink = Discard()

    def settle(self) -> None:
        """The pipeline has taken all records."""
        self.pipeline.worker.settle(time.monotonic() + 5)

    def flush(self) -> None:
        """The sink has all."""
        self.pipeline.worker.flush(_FLUSH_MILLIS)


def _instrumentors() -> dict[str, Any]:
    from otel_distro.instrumentation.asgi import AsgiInstrumentor
    from otel_distro.instrumentation.httpx import HttpxInstrumentor
    from otel_distro.instrumentation.logging import LoggingInstrumentor
    from otel_distro.instrumentation.sqlalchemy import SqlalchemyInstrumentor

    made = (AsgiInstrumentor(), HttpxInstrumentor(), LoggingInstrumentor(), SqlalchemyInstrumentor())
    return dict(zip(PARTS, made, strict=True))


class Upstream(Setup):
    """OpenTelemetry's SDK and instrumentations on this one app; OTLP over gRPC, its own default, or HTTP as ours."""

    def __init__(self, name: str, *, grpc: bool) -> None:
        super().__init__(name)
        self.has_native_threads = grpc
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
        from opentelemetry.instrumentation.logging.handler import LoggingHandler
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        spans, metrics, logs = _by_grpc(name) if grpc else _by_http(name)
        resource = Resource.create({"service.name": "bench"})
        self._traces = TracerProvider(resource=resource)
        self._traces.add_span_processor(BatchSpanProcessor(spans, schedule_delay_millis=1000))
        self._metrics = MeterProvider(resource=resource, metric_readers=[PeriodicExportingMetricReader(metrics)])
        self._logs = LoggerProvider(resource=resource)
        self._logs.add_log_record_processor(BatchLogRecordProcessor(logs, schedule_delay_millis=1000))
        self._handler = LoggingHandler(logger_provider=self._logs)
        FastAPIInstrumentor.instrument_app(self.shop.app, tracer_provider=self._traces, meter_provider=self._metrics)
        self._observe_engine()

    def _observe_engine(self) -> None:
        """By its parts: `SQLAlchemyInstrumentor().instrument(engine=...)` would patch everybody's `Engine.connect`."""
        from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer, _wrap_connect

        scope = "opentelemetry.instrumentation.sqlalchemy"
        engine: Any = self.shop.engine.sync_engine
        tracer = self._traces.get_tracer(scope)
        usage = self._metrics.get_meter(scope).create_up_down_counter("db.client.connections.usage")
        EngineTracer(tracer, engine, usage)
        wrapped, original = _wrap_connect(tracer), engine.connect
        engine.connect = lambda *args, **kwargs: wrapped(original, engine, args, kwargs)

    def started(self) -> None:
        """Its client exists now."""
        from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

        HTTPXClientInstrumentor.instrument_client(
            self.shop.client, tracer_provider=self._traces, meter_provider=self._metrics
        )

    def on(self) -> None:
        """Only its log handler is everybody's."""
        logging.getLogger().addHandler(self._handler)

    def off(self) -> None:
        """As before `on`."""
        logging.getLogger().removeHandler(self._handler)

    def flush(self) -> None:
        """The sink has all."""
        for provider in (self._traces, self._metrics, self._logs):
            provider.force_flush(_FLUSH_MILLIS)


def _by_http(name: str) -> tuple[Any, Any, Any]:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    base, headers = os.environ["BENCH_SINK"], {"x-bench-variant": name}
    kinds = (("traces", OTLPSpanExporter), ("metrics", OTLPMetricExporter), ("logs", OTLPLogExporter))
    spans, metrics, logs = (kind(endpoint=f"{base}/v1/{signal}", headers=headers) for signal, kind in kinds)
    return spans, metrics, logs


def _by_grpc(name: str) -> tuple[Any, Any, Any]:
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    where: Any = {"endpoint": os.environ["BENCH_SINK"], "headers": (("x-bench-variant", name),), "insecure": True}
    return OTLPSpanExporter(**where), OTLPMetricExporter(**where), OTLPLogExporter(**where)


if sys.version_info[:2] != (3, 11):
    message = "the set-ups take turns by patching classes, which later Pythons' caches do not forgive"
    raise SystemExit(message)
