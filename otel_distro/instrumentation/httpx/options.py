"""How requests are watched: made once from the settings and from what `instrument()` was given."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from otel_distro import config
from otel_distro._version import __version__
from otel_distro.headers import HeaderCapture, Side
from otel_distro.instrumentation.httpx.hooks import Hooks, hooks
from otel_distro.semconv.http import HTTPX_SCOPE

if TYPE_CHECKING:
    from collections.abc import Mapping

_logger = logging.getLogger("otel_distro")
_CLIENT = Side("CLIENT", 1024)
_EXCLUDED_URLS = ("OTEL_PYTHON_HTTPX_EXCLUDED_URLS", "OTEL_PYTHON_EXCLUDED_URLS")


@dataclass(frozen=True)
class Options:
    """Everything that an attempt needs to know besides its request."""

    tracer: trace.Tracer
    excluded: re.Pattern[str] | None = None
    hooks: Hooks | None = None
    request_headers: HeaderCapture | None = None
    response_headers: HeaderCapture | None = None


def options(given: Mapping[str, Any]) -> Options:
    """Options by the settings, and by the arguments that upstream's `instrument()` takes."""
    return Options(
        trace.get_tracer(HTTPX_SCOPE, __version__, given.get("tracer_provider")),
        _excluded_urls(),
        hooks(given),
        _CLIENT.request(),
        _CLIENT.response(),
    )


def _excluded_urls() -> re.Pattern[str] | None:
    """The URLs that upstream's variables exclude: any of these patterns found anywhere."""
    for name in _EXCLUDED_URLS:
        patterns = [pattern.strip() for pattern in config.environment(name).split(",") if pattern.strip()]
        if patterns:
            try:
                return re.compile("|".join(patterns))
            except re.error as error:
                _logger.warning("%s is ignored: %s", name, error)
    return None
