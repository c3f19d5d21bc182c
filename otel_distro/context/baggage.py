"""Baggage: what comes in is kept, what goes out goes to first-party hosts only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.textmap import CarrierT, Setter, default_setter

from otel_distro import config
from otel_distro.context.work import request_id
from otel_distro.semconv.attributes import REQUEST_ID, SERVER_ADDRESS

if TYPE_CHECKING:
    from opentelemetry.context import Context


def host_allowed(host: str | None) -> bool:
    """Whether a host is first-party by OTEL_DISTRO_BAGGAGE_HOSTS; an unknown host is not, unless all are by `*`."""
    hosts = config.current().baggage_hosts
    if not host or "*" in hosts:
        return "*" in hosts
    name = host.lower().rstrip(".")
    return any(name == allowed or (allowed.startswith(".") and name.endswith(allowed)) for allowed in hosts)


class FirstPartyBaggagePropagator(W3CBaggagePropagator):
    """W3C baggage with the request id added; injects only when the current client span names a first-party host."""

    def inject(
        self, carrier: CarrierT, context: Context | None = None, setter: Setter[CarrierT] = default_setter
    ) -> None:
        """Write the `baggage` header, or nothing."""
        if host_allowed(_called_host(trace.get_current_span(context))):
            super().inject(carrier, with_request_id(context), setter)


def _called_host(span: trace.Span) -> str | None:
    """The host that a client span calls; a server span's address is our own, and says nothing of where this goes."""
    if getattr(span, "kind", None) is not trace.SpanKind.CLIENT:
        return None
    host: str | None = (getattr(span, "attributes", None) or {}).get(SERVER_ADDRESS.key)
    return host


def with_request_id(context: Context | None) -> Context | None:
    """The context with the request id in hand as a baggage entry."""
    known = request_id()
    return baggage.set_baggage(REQUEST_ID.key, known, context) if known else context
