"""Spans on the wire are what upstream's encoder would send, and never broken."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from otel_distro.pipeline.span import Span
from otel_distro.pipeline.tracer import TracerProvider
from tests.exporter.requests import RESOURCE, attributes, exported
from tests.exporter.values import ANYTHING, ATTRIBUTES, IDS, NANOS, TEXT

STATES = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True), st.from_regex("[a-z0-9]{1,9}", fullmatch=True), max_size=3
)
CONTEXTS = st.builds(
    lambda ids, state, remote, sampled: SpanContext(
        *ids, is_remote=remote, trace_flags=TraceFlags(sampled), trace_state=TraceState(list(state.items()))
    ),
    IDS,
    STATES,
    st.booleans(),
    st.integers(0, 3),
)
EVENTS = st.lists(st.tuples(TEXT, ATTRIBUTES, NANOS), max_size=3)
LINKS = st.lists(st.builds(Link, CONTEXTS, ATTRIBUTES), max_size=3)


def provider(ended: list[Span], limits: SpanLimits | None = None) -> TracerProvider:
    """A provider whose spans end up in a list."""
    return TracerProvider(take=ended.append, resource=RESOURCE, span_limits=limits, shutdown_on_exit=False)


def one(spans: list[Span]) -> Any:
    """The only span of the request that carries these."""
    return exported("traces", spans).resource_spans[0].scope_spans[0].spans[0]


def as_upstream(request: Any) -> Any:
    """Our request without what upstream's leaves out: trace flags of spans and links, trace state of links."""
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.flags &= ~0xFF
        span.status.SetInParent()
        for link in span.links:
            link.flags &= ~0xFF
            link.trace_state = ""
    return request


@given(
    name=TEXT,
    kind=st.sampled_from(SpanKind),
    parent=st.none() | CONTEXTS,
    given_attributes=ATTRIBUTES,
    events=EVENTS,
    links=LINKS,
    status=st.none() | st.builds(Status, st.just(StatusCode.ERROR), TEXT) | st.just(Status(StatusCode.OK)),
    times=st.tuples(NANOS, NANOS),
)
def test_a_span_is_what_upstream_would_send(  # noqa: PLR0913 - what a span has
    name: str,
    kind: SpanKind,
    parent: SpanContext | None,
    given_attributes: dict[str, Any],
    events: list[tuple[str, dict[str, Any], int]],
    links: list[Link],
    status: Status | None,
    times: tuple[int, int],
) -> None:
    """Every field of any span, parent, event, link and status decodes to the same as from upstream's encoder."""
    ended: list[Span] = []
    tracer = provider(ended).get_tracer("scope", "1.2", "https://schema.example/2", {"scope": "attribute"})
    context = set_span_in_context(NonRecordingSpan(parent)) if parent else None
    span = tracer.start_span(name, context, kind, given_attributes, links, times[0])
    for event in events:
        span.add_event(*event)
    if status is not None:
        span.set_status(status)
    span.end(times[1])
    if not parent or parent.trace_flags.sampled:
        assert as_upstream(exported("traces", ended)) == as_upstream(encode_spans(ended))


def test_trace_flags_and_a_link_s_trace_state_are_sent() -> None:
    """What upstream leaves out is there: the W3C flags in the low byte, and where a link's trace stands."""
    ended: list[Span] = []
    linked = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("a", "b")]))
    provider(ended).get_tracer("scope").start_span("name", links=[Link(linked)]).end()
    span = one(ended)
    assert span.flags & 0xFF == ended[0].context.trace_flags
    assert (span.links[0].flags, span.links[0].trace_state) == (0x301, "a=b")


def test_what_limits_cost_is_counted() -> None:
    """Dropped attributes, events and links are on the span, those of an event and a link on these."""
    ended: list[Span] = []
    limits = SpanLimits(2, 1, 1, 2, 2)
    span = provider(ended, limits).get_tracer("scope").start_span("name", attributes=dict.fromkeys("abc", 1))
    for _ in range(3):
        span.add_event("event", dict.fromkeys("abcd", 1))
        span.add_link(SpanContext(1, 2, is_remote=False), dict.fromkeys("abcde", 1))
    span.end()
    sent = one(ended)
    assert (sent.dropped_attributes_count, sent.dropped_events_count, sent.dropped_links_count) == (1, 2, 2)
    assert (sent.events[0].dropped_attributes_count, sent.links[0].dropped_attributes_count) == (2, 3)


def test_a_limit_of_nothing_is_counted_too() -> None:
    """Where no event or link is allowed, the span still says how many there were."""
    ended: list[Span] = []
    span = provider(ended, SpanLimits(0, 0, 0)).get_tracer("scope").start_span("name", attributes={"a": 1})
    span.add_event("event")
    span.add_link(SpanContext(1, 2, is_remote=False))
    span.end()
    sent = one(ended)
    assert (sent.dropped_attributes_count, sent.dropped_events_count, sent.dropped_links_count) == (1, 1, 1)


def test_scopes_are_grouped() -> None:
    """The spans of one instrumentation scope travel together under it, in their order."""
    ended: list[Span] = []
    made = provider(ended)
    for name in ("a", "b", "a"):
        made.get_tracer(name).start_span(f"of {name}").end()
    scopes = exported("traces", ended).resource_spans[0].scope_spans
    assert [(scope.scope.name, [span.name for span in scope.spans]) for scope in scopes] == [
        ("a", ["of a", "of a"]),
        ("b", ["of b"]),
    ]


@given(given_attributes=st.dictionaries(st.text(), ANYTHING, max_size=6))
def test_any_attribute_can_be_sent(given_attributes: dict[str, Any]) -> None:
    """Whatever the application sets, the span arrives, and so does every attribute with a key."""
    ended: list[Span] = []
    span = provider(ended).get_tracer("scope").start_span("name")
    span.set_attributes(given_attributes)
    span.add_event("event", given_attributes)
    span.end()
    assert len(attributes(one(ended).attributes)) <= len([key for key in given_attributes if key])
