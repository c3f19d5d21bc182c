"""httpx: a span around each attempt of a request, its trace context sent along."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from otel_distro import config
from otel_distro._version import __version__
from otel_distro.instrumentation import Instrumentor, StandBack
from otel_distro.instrumentation.httpx.attempt import Attempts
from otel_distro.instrumentation.httpx.transport import wrap_async, wrap_sync
from otel_distro.semconv.http import HTTPX_SCOPE

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_logger = logging.getLogger("otel_distro")
_EXCLUDED_URLS = ("OTEL_PYTHON_HTTPX_EXCLUDED_URLS", "OTEL_PYTHON_EXCLUDED_URLS")


class HttpxInstrumentor(Instrumentor):
    """Instruments httpx's own transports, so all clients, old and new; an app's own stay as they are."""

    _patched: tuple[tuple[type, str, Any, Any], ...] = ()
    _upstream = StandBack("instrument", "instrument_client")

    def hooks(self) -> dict[str, Callable[[ModuleType, dict[str, Any]], None]]:
        """The transports when httpx is imported, upstream's instrumentor when the app imports that."""
        return {"httpx": self._hook_transports, "opentelemetry.instrumentation.httpx": self._hook_upstream}

    def _hook_transports(self, module: ModuleType, options: dict[str, Any]) -> None:
        if self._patched:
            return
        tracer = trace.get_tracer(HTTPX_SCOPE, __version__, options.get("tracer_provider"))
        attempts = Attempts(tracer, _excluded_urls())
        self._patched = (
            _patch(module.HTTPTransport, "handle_request", attempts, wrap_sync),
            _patch(module.AsyncHTTPTransport, "handle_async_request", attempts, wrap_async),
        )

    def _hook_upstream(self, module: ModuleType, _options: dict[str, Any]) -> None:
        self._upstream.hold(module.HTTPXClientInstrumentor)

    def unhook(self) -> None:
        """Give the transports their methods back, unless someone else has wrapped them since."""
        for owner, name, original, ours in self._patched:
            if vars(owner).get(name) is ours:
                setattr(owner, name, original)
        self._patched = ()
        self._upstream.release()


def _patch(owner: type, name: str, attempts: Attempts, wrap: Callable[..., Any]) -> tuple[type, str, Any, Any]:
    original = vars(owner)[name]
    ours = wrap(attempts, original)
    setattr(owner, name, ours)
    return owner, name, original, ours


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
