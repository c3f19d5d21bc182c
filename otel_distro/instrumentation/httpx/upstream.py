"""Apps written for upstream's instrumentation: their calls arrive here, their hooks and options keep working.

Upstream's own classes get our methods, because apps import them directly. `meter_provider` has no effect, as metrics
are derived from the spans.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from otel_distro.instrumentation.httpx import client as clients
from otel_distro.instrumentation.httpx.attempt import Attempts
from otel_distro.instrumentation.httpx.options import options
from otel_distro.instrumentation.httpx.transport import ASYNC, SYNC, wrapped

if TYPE_CHECKING:
    from types import ModuleType

    from otel_distro.instrumentation.httpx import HttpxInstrumentor

_METHOD = "_otel_distro_method"
_TRANSPORTS = (("SyncOpenTelemetryTransport", SYNC), ("AsyncOpenTelemetryTransport", ASYNC))


def instrument(_self: Any, **given: Any) -> None:
    """All clients, with these hooks and this tracer provider."""
    _ours().configure(given)


def uninstrument(_self: Any, **_: Any) -> None:
    """No client, until `instrument()` is called again."""
    _ours().pause()


def instrument_client(client: Any, *given: Any, **named: Any) -> None:
    """This client, with hooks and a tracer provider of its own; a meter provider is taken, and not used."""
    names = ("tracer_provider", "meter_provider", "request_hook", "response_hook")
    clients.instrument(client, Attempts(options({**dict(zip(names, given, strict=False)), **named})))


def uninstrument_client(client: Any) -> None:
    """This client no more."""
    clients.uninstrument(client)


METHODS = {
    "instrument": instrument,
    "uninstrument": uninstrument,
    "instrument_client": staticmethod(instrument_client),
    "uninstrument_client": staticmethod(uninstrument_client),
}


def take_transports_over(module: ModuleType) -> None:
    """Let upstream's transports, which apps make themselves, watch as we do: one span, ours, with their hooks."""
    for name, method in _TRANSPORTS:
        setattr(getattr(module, name), method, _through(method))


def release_transports(module: ModuleType) -> None:
    """Give upstream's transports their own methods back."""
    for name, method in _TRANSPORTS:
        if method in vars(getattr(module, name)):
            delattr(getattr(module, name), method)


def _through(name: str) -> Any:
    def handle(self: Any, request: Any) -> Any:
        method = vars(self).get(_METHOD)
        if method is None:
            method = vars(self)[_METHOD] = _made(self, name)
        return method(self._transport, request)

    return handle


def _made(transport: Any, name: str) -> Any:
    tracer = transport._tracer  # noqa: SLF001 - the provider itself is not kept
    noop = isinstance(tracer, trace.NoOpTracer)
    given = {
        "tracer_provider": trace.NoOpTracerProvider() if noop else getattr(tracer, "provider", None),
        "request_hook": transport._request_hook,  # noqa: SLF001
        "response_hook": transport._response_hook,  # noqa: SLF001
    }
    inner = transport._transport  # noqa: SLF001
    return wrapped(Attempts(options(given)), name, clients.unwatched(inner, name))


def _ours() -> HttpxInstrumentor:
    from otel_distro.instrumentation.httpx import HttpxInstrumentor

    return HttpxInstrumentor()
