"""Which of upstream's test suites run against ours, and what stands in for what."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

SDK = version("opentelemetry-sdk")
CONTRIB = version("opentelemetry-instrumentation")
"""Contrib's release that is complete for the installed SDK: its packages pin each other."""


@dataclass(frozen=True)
class Suite:
    """Tests of one source distribution, run once as they are and once with ours in place of what they test."""

    name: str
    requirement: str
    """The source distribution that carries the tests."""
    tests: tuple[str, ...]
    """Folders or files of them."""
    at_least: int
    """How many tests there have to be: none got lost on the way."""
    stands_in: tuple[str, ...] = ()
    """Modules of `replacement/` that put ours in upstream's place."""
    instrumented: bool = False
    """Ours is what `opentelemetry-instrument` makes of the process, instead."""
    proof: str = ""
    """Statements that make `it` the module where something of upstream's is defined, which is to be ours."""
    libraries: tuple[str, ...] = ()
    """What the tests import besides, as far as this installation has none, or another version."""
    share: float = 1.0
    """How much of the suite may differ at most."""
    heavy: bool = True
    """Takes longer than the other tests should wait."""


def _instrumentation(
    name: str, stands_in: str, *, at_least: int, proof: str, libraries: tuple[str, ...] = (), heavy: bool = True
) -> Suite:
    return Suite(
        name,
        f"opentelemetry-instrumentation-{name}=={CONTRIB}",
        ("tests",),
        at_least=at_least,
        stands_in=("sdk_installed", stands_in),
        proof=proof,
        libraries=libraries,
        heavy=heavy,
    )


SUITES = (
    Suite(
        "sdk-trace",
        f"opentelemetry-sdk=={SDK}",
        ("tests/trace",),
        at_least=200,
        stands_in=("sdk_alone",),
        proof="from opentelemetry.sdk.trace import TracerProvider; it = TracerProvider.__module__",
        share=0.05,
        heavy=False,
    ),
    Suite(
        "sdk-metrics",
        f"opentelemetry-sdk=={SDK}",
        ("tests/metrics",),
        at_least=300,
        stands_in=("sdk_alone",),
        proof="from opentelemetry.sdk.metrics import MeterProvider; it = MeterProvider.force_flush.__module__",
        share=0.05,
    ),
    Suite(
        "sdk-context",
        f"opentelemetry-sdk=={SDK}",
        ("tests/context",),
        at_least=1,
        stands_in=("sdk_alone",),
        proof="from opentelemetry.sdk.trace import TracerProvider; it = TracerProvider.__module__",
        share=0.05,
        heavy=False,
    ),
    Suite(
        "api",
        f"opentelemetry-api=={SDK}",
        ("tests",),
        at_least=250,
        instrumented=True,
        proof="from opentelemetry.trace import get_tracer_provider; it = get_tracer_provider().__module__",
        share=0.05,
        heavy=False,
    ),
    _instrumentation(
        "asgi",
        "asgi_server",
        at_least=90,
        proof="from opentelemetry.instrumentation import asgi; "
        "it = asgi.OpenTelemetryMiddleware.__call__.__globals__['__name__']",
        heavy=False,
    ),
    _instrumentation(
        "sqlalchemy",
        "sqlalchemy_engines",
        at_least=60,
        proof="from opentelemetry.instrumentation import sqlalchemy; "
        "it = sqlalchemy.SQLAlchemyInstrumentor.instrument.__module__",
        libraries=("sqlalchemy==2.0.58",),  # the last version that upstream's instruments; ours is tested with 2.1, too
        heavy=False,
    ),
    _instrumentation(
        "celery",
        "celery_tasks",
        at_least=30,
        proof="from opentelemetry.instrumentation import celery; it = celery.CeleryInstrumentor.__module__",
    ),
    _instrumentation(
        "httpx",
        "httpx_clients",
        at_least=165,
        proof="from opentelemetry.instrumentation import httpx; "
        "it = httpx.HTTPXClientInstrumentor.instrument_client.__module__",
        libraries=("respx==0.23.1",),
    ),
    _instrumentation(
        "logging",
        "logging_records",
        at_least=70,
        proof="from opentelemetry.instrumentation import logging; it = logging.LoggingInstrumentor.__module__",
        libraries=(f"opentelemetry-instrumentation-logging=={CONTRIB}",),
        heavy=False,
    ),
)
