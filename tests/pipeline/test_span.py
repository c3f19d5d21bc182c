"""The span as its own record: what is set on it is fixed then, bounded, and of exact types."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from otel_distro.pipeline.span import Span
from tests.pipeline.observed import Observed

Make = Callable[..., Observed]


class Word(str):
    """A lazy translation, say."""

    __slots__ = ()


class Colour(str, enum.Enum):
    """A string that is an enum member."""

    RED = "red"


class Number(enum.IntEnum):
    """An int that is an enum member."""

    TWO = 2


class Unprintable:
    """Raises when it is rendered."""

    def __str__(self) -> str:
        raise RuntimeError("no text for you")

    __repr__ = __str__


class Loud(dict[str, Any]):
    """A mapping of the app's whose iteration fails."""

    def items(self) -> Any:
        raise RuntimeError("no items for you")


def one(observed: Observed) -> Span:
    """The only span that left."""
    (span,) = observed.spans()
    return span


@pytest.mark.parametrize("given_at_start", [True, False])
def test_a_list_is_copied_when_it_is_set(observed: Observed, given_at_start: bool) -> None:
    """Changing it afterwards changes nothing in the record."""
    values: list[Any] = ["a", ["b"]]
    mapping: dict[str, Any] = {"k": {"deep": 1}}
    attributes = {"values": values, "mapping": mapping}
    span = observed.tracer("app").start_span("name", attributes=attributes if given_at_start else None)
    if not given_at_start:
        span.set_attributes(attributes)
    span.add_event("event", attributes)
    span.add_link(SpanContext(1, 2, is_remote=False), attributes)
    values.append("late")
    values[1].append("late")
    mapping["k"]["deep"] = 2
    attributes["late"] = True
    span.end()
    found = one(observed)
    for seen in (found.attributes, found.events[0].attributes, found.links[0].attributes):
        assert seen is not None
        assert list(seen) == ["values", "mapping"]
        assert [list(item) if isinstance(item, tuple) else item for item in seen["values"]] == ["a", ["b"]]
        assert seen["mapping"]["k"]["deep"] == 1


@pytest.mark.parametrize(
    ("value", "kind", "exact"),
    [(Word("w"), str, "w"), (Colour.RED, str, "red"), (Number.TWO, int, 2), (True, bool, True)],
)
def test_subclasses_become_exact_scalars(observed: Observed, value: Any, kind: type, exact: Any) -> None:
    """No object of the app's own classes crosses to the pipeline thread."""
    span = observed.tracer("app").start_span("name", attributes={"start": value, "list": [value]})
    span.set_attribute("set", value)
    span.add_event("event", {"event": value})
    span.end()
    found = one(observed)
    values = [
        found.attributes["start"],
        found.attributes["set"],
        found.attributes["list"][0],
        found.events[0].attributes["event"],
    ]
    assert [(type(item), item) for item in values] == [(kind, exact)] * 4


@pytest.mark.parametrize(
    "value", [object(), Unprintable(), Loud(a=1), ValueError, {1: 2}, {"a"}, range(10**9), 1j, b"\xff", lambda: 1]
)
def test_a_value_of_any_type_is_recorded(observed: Observed, value: Any) -> None:
    """As it is, as a copy, or as text; nothing raises, and nothing else of the span is lost."""
    span = observed.tracer("app").start_span("name", attributes={"start": value})
    span.set_attribute("set", value)
    span.set_attributes({"both": value, "plain": 1})
    span.add_event("event", {"event": value})
    span.add_link(SpanContext(1, 2, is_remote=False), {"link": value})
    span.end()
    found = one(observed)
    assert found.attributes["plain"] == 1
    assert set(found.attributes) == {"start", "set", "both", "plain"}


def test_cyclic_and_deep_values_are_cut_off(observed: Observed) -> None:
    """What contains itself is recorded down to a certain depth."""
    cycle: list[Any] = []
    cycle.append(cycle)
    mapping: dict[str, Any] = {}
    mapping["self"] = mapping
    observed.tracer("app").start_span("name", attributes={"list": cycle, "mapping": mapping}).end()
    assert len(repr(dict(one(observed).attributes))) < 1000


def test_a_huge_sequence_is_cut(observed: Observed) -> None:
    """A million items are not copied."""
    observed.tracer("app").start_span("name", attributes={"list": list(range(1_000_000))}).end()
    assert len(one(observed).attributes["list"]) <= 1024


@pytest.mark.parametrize("key", ["", None, 1, b"key", ("a",)])
def test_a_key_that_is_none_is_dropped_and_counted(observed: Observed, key: Any) -> None:
    """The others stay."""
    span = observed.tracer("app").start_span("name", attributes={key: 1, "a": 2})
    span.set_attribute(key, 1)
    span.end()
    assert dict(one(observed).attributes) == {"a": 2}
    assert one(observed).dropped_attributes == 2


def test_a_span_is_readable(observed: Observed) -> None:
    """Third-party exporters and processors get what the SDK's span is, `to_json` included."""
    linked = SpanContext(1, 2, is_remote=True)
    span = observed.tracer("app").start_span("name", kind=SpanKind.CLIENT, attributes={"a": [1]}, links=[Link(linked)])
    span.add_event("event", {"b": 2}, 5)
    span.set_status(Status(StatusCode.ERROR, "why"))
    span.end()
    found: ReadableSpan = one(observed)
    text = found.to_json()
    assert all(part in text for part in ('"name"', '"event"', '"why"', "SpanKind.CLIENT", '"service.name": "test"'))
    assert found.resource.attributes["service.name"] == "test"
    assert (found.instrumentation_scope.name, found.parent, found.links[0].context) == ("app", None, linked)


def test_after_its_end_nothing_changes(observed: Observed, caplog: pytest.LogCaptureFixture) -> None:
    """The API says so; a warning is all that happens."""
    span = observed.tracer("app").start_span("name")
    span.end(10**18)
    span.set_attribute("a", 1)
    span.add_event("event")
    span.add_link(SpanContext(1, 2, is_remote=False))
    span.update_name("other")
    span.set_status(StatusCode.ERROR)
    span.record_exception(ValueError())
    span.end()
    found = one(observed)
    assert (found.name, dict(found.attributes), found.events, found.links) == ("name", {}, (), ())
    assert (found.status.status_code, found.end_time) == (StatusCode.UNSET, 10**18)
    assert len(caplog.records) == 7


def test_record_exception_is_an_event(observed: Observed) -> None:
    """When the app itself asks for it, with type, message and stack."""
    span = observed.tracer("app").start_span("name")
    span.record_exception(ValueError("text"), {"more": 1})
    span.end()
    (event,) = one(observed).events
    assert event.name == "exception"
    assert (event.attributes["exception.type"], event.attributes["exception.message"], event.attributes["more"]) == (
        "ValueError",
        "text",
        1,
    )
    assert "ValueError: text" in event.attributes["exception.stacktrace"]


def test_the_limits_of_the_environment_hold(observe: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count and length of attributes, counts of events and links, and attributes of these; what is lost is counted."""
    limits = {
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "2",
        "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "4",
        "OTEL_SPAN_EVENT_COUNT_LIMIT": "1",
        "OTEL_SPAN_LINK_COUNT_LIMIT": "1",
        "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": "1",
        "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": "1",
    }
    for name, value in limits.items():
        monkeypatch.setenv(name, value)
    observed = observe()
    span = observed.tracer("app").start_span("name", attributes={"a": "123456", "b": ["123456"], "c": "x"})
    for number in range(3):
        span.add_event(f"event {number}", {"a": 1, "b": 2})
        span.add_link(SpanContext(1, number + 1, is_remote=False), {"a": 1, "b": 2})
    span.end()
    found = one(observed)
    assert dict(found.attributes) == {"b": ("1234",), "c": "x"}
    assert (found.dropped_attributes, found.dropped_events, found.dropped_links) == (1, 2, 2)
    assert [event.name for event in found.events] == ["event 2"]
    assert dict(found.events[0].attributes or {}) == {"b": 2}
    assert dict(found.links[0].attributes or {}) == {"b": 2}


def test_the_context_is_what_its_constructor_makes(observed: Observed) -> None:
    """Equal in each part, whatever is left out of making it."""
    with observed.tracer("app").start_as_current_span("outer") as span:
        found = span.get_span_context()
    made = SpanContext(found.trace_id, found.span_id, is_remote=False, trace_flags=TraceFlags(found.trace_flags))
    assert (type(found), tuple(found), repr(found)) == (SpanContext, tuple(made), repr(made))
    assert found.is_valid


def test_the_private_names_of_the_sdk_s_span_are_there(observed: Observed) -> None:
    """Processors and exporters of others use them; none of it is kept in a span."""
    span = observed.tracer("app").start_span("name")
    provider = observed.pipeline.tracer_provider
    assert (span._resource, span._instrumentation_scope.name) == (provider.resource, "app")
    assert span._instrumentation_info is span.tracer.instrumentation_info
    assert (span._limits, span._limits.max_events) == (provider._span_limits, 128)
    assert (span._sampler, span._span_processor) == (provider.sampler, provider._active_span_processor)
    span._add_link(Link(SpanContext(1, 2, is_remote=True)))
    assert (len(span.links), span._new_events()._dq.maxlen) == (1, 128)
    assert vars(observed.tracer("app").start_span("another")) == {}
    span._resource = other = provider.resource.merge(provider.resource)
    assert span._resource is other
    span.end()


def test_a_readable_span_is_the_span_as_it_is_now(observe: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """`_readable_span()`: all of it, what limits cost included; what comes later does not reach it."""
    for name in ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_SPAN_LINK_COUNT_LIMIT"):
        monkeypatch.setenv(name, "1")
    link = Link(SpanContext(1, 2, is_remote=True))
    span = observe().tracer("app").start_span("name", kind=SpanKind.CLIENT, attributes={"a": [1], "b": "c"})
    span.add_link(link.context)
    for _ in range(3):
        span.add_event("event", {"d": 1}, 5)
    span.set_status(StatusCode.ERROR, "why")
    live, then = span._readable_span(), span.to_json()
    span.set_attribute("b", "later")
    span.add_event("later")
    span.add_link(SpanContext(3, 4, is_remote=True))
    span.end()
    ended = span._readable_span()
    assert (type(live), live.to_json(), ended.to_json()) == (ReadableSpan, then, span.to_json())
    assert (live.dropped_attributes, live.dropped_events, live.dropped_links) == (1, 2, 0)
    assert (ended.dropped_attributes, ended.dropped_events, ended.dropped_links) == (1, 3, 1)
    assert (ended.resource, ended.instrumentation_scope) == (span.resource, span.instrumentation_scope)
