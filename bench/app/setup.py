"""What each variant asks of the app's own code: before it is built, after it, and for the current user."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

NAME = os.environ.get("BENCH_SETUP", "")
_TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_DATADOG = "%(asctime)s %(levelname)s %(name)s [dd.trace_id=%(dd.trace_id)s dd.span_id=%(dd.span_id)s] %(message)s"


def _nobody(_user: str) -> None:
    """Most variants have no notion of a user."""


identify: Callable[[str], None] = _nobody
"""Tells the variant who the request is for."""


def logs() -> None:
    """Lines on stderr, as the variant's documentation has them."""
    if NAME == "handrolled":
        from asgi_correlation_id import CorrelationIdFilter
        from pythonjsonlogger.json import JsonFormatter

        handler = logging.StreamHandler()
        handler.addFilter(CorrelationIdFilter(uuid_length=32))
        handler.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s %(correlation_id)s"))
        logging.basicConfig(level=logging.INFO, handlers=[handler])
    else:
        logging.basicConfig(level=logging.INFO, format=_DATADOG if NAME == "ddtrace" else _TEXT)
    logging.getLogger("httpx").setLevel(logging.WARNING)


def before() -> None:
    """SDKs that are started by code."""
    global identify  # noqa: PLW0603 - chosen once, when the process starts
    if NAME == "ours":
        from otel_distro import bind

        identify = lambda user: bind(user=user)  # noqa: E731
    elif NAME == "sentry":
        import sentry_sdk

        sentry_sdk.init(dsn=os.environ["BENCH_SENTRY"], traces_sample_rate=1.0, enable_logs=True)
    elif NAME == "logfire":
        import logfire

        logfire.configure(send_to_logfire=False, console=False, service_name="bench", inspect_arguments=False)
        logging.getLogger().addHandler(logfire.LogfireLoggingHandler())
    elif NAME == "fastotel":  # traces by its Rust processor, metrics and logs by the SDK
        from fastotel import OTLPSpanProcessor
        from opentelemetry import trace

        trace.get_tracer_provider().add_span_processor(OTLPSpanProcessor())


def after(app: Any, engine: Any) -> None:
    """Middlewares and instrumentation that are added to the app."""
    if NAME == "handrolled":
        from asgi_correlation_id import CorrelationIdMiddleware
        from prometheus_fastapi_instrumentator import Instrumentator
        from slowapi import Limiter
        from slowapi.middleware import SlowAPIMiddleware
        from slowapi.util import get_remote_address

        app.state.limiter = Limiter(key_func=get_remote_address, default_limits=["10000000/minute"])
        app.add_middleware(SlowAPIMiddleware)
        app.add_middleware(CorrelationIdMiddleware)
        Instrumentator().instrument(app).expose(app)
    elif NAME == "logfire":
        import logfire

        logfire.instrument_fastapi(app)
        logfire.instrument_sqlalchemy(engine=engine)
        logfire.instrument_httpx()
