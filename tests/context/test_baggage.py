"""Baggage leaves to first-party hosts only, and carries the request id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry import baggage, context, trace

from otel_distro import config
from otel_distro.context.baggage import FirstPartyBaggagePropagator, host_allowed
from otel_distro.context.work import CURRENT, Work

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = trace.SpanKind.CLIENT


@pytest.fixture(autouse=True)
def _settings() -> Iterator[None]:
    before = config.use(config.load({"OTEL_DISTRO_BAGGAGE_HOSTS": "localhost,.shop.internal"}))
    yield
    config.use(before)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("api.shop.internal", True),
        ("shop.internal", False),
        ("evil-shop.internal", False),
        ("api.stripe.com", False),
        ("localhost.evil.example", False),
        ("", False),
        (None, False),
    ],
)
def test_only_named_hosts_are_first_party(host: str | None, allowed: bool) -> None:
    """A host is first-party by its name, or under a domain that begins with a dot; an unknown one is not."""
    assert host_allowed(host) is allowed


@pytest.mark.parametrize(
    ("host", "expected"), [("localhost", {"tenant": "acme", "request_id": "r-1"}), ("api.stripe.com", {})]
)
def test_baggage_goes_where_the_client_span_goes(telemetry: object, host: str, expected: dict[str, str]) -> None:
    """The propagator reads the current client span's host; a third party gets nothing."""
    CURRENT.set(Work({"request_id": "r-1"}))
    span = trace.get_tracer("test").start_span("GET", kind=CLIENT, attributes={"server.address": host})
    carrier: dict[str, str] = {}
    given = baggage.set_baggage("tenant", "acme", trace.set_span_in_context(span))
    FirstPartyBaggagePropagator().inject(carrier, given)
    span.end()
    received = FirstPartyBaggagePropagator().extract(carrier, context.Context())
    assert dict(baggage.get_all(received)) == expected


def test_our_own_address_lets_nothing_leave(telemetry: object) -> None:
    """A handler of ours that is reached as localhost may call anybody: its server span says nothing of whom."""
    span = trace.get_tracer("test").start_span(
        "GET", kind=trace.SpanKind.SERVER, attributes={"server.address": "localhost"}
    )
    carrier: dict[str, str] = {}
    FirstPartyBaggagePropagator().inject(
        carrier, baggage.set_baggage("tenant", "acme", trace.set_span_in_context(span))
    )
    span.end()
    assert carrier == {}


def test_without_a_client_span_nothing_leaves(telemetry: object) -> None:
    """`requests` injects without saying where to: no baggage then."""
    carrier: dict[str, str] = {}
    FirstPartyBaggagePropagator().inject(carrier, baggage.set_baggage("tenant", "acme", context.Context()))
    assert carrier == {}


@pytest.mark.parametrize("host", ["api.stripe.com", "", None])
def test_with_a_star_baggage_goes_everywhere(telemetry: object, host: str | None) -> None:
    """As upstream's propagator has it, also where nobody says which host it is."""
    config.use(config.load({"OTEL_DISTRO_BAGGAGE_HOSTS": "localhost,*"}))
    assert host_allowed(host)
    carrier: dict[str, str] = {}
    FirstPartyBaggagePropagator().inject(carrier, baggage.set_baggage("tenant", "acme", context.Context()))
    assert carrier == {"baggage": "tenant=acme"}
