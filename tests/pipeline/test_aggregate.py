"""Derived metrics: of all records, in the catalogue's buckets and labels, with exemplars that open, and bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.metrics.view import DropAggregation, View
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind

from otel_distro.record import Measurement
from otel_distro.semconv import db, http, messaging
from tests.pipeline.observed import SECOND, Observed

Make = Callable[..., Observed]
DURATION = "http.server.request.duration"


def test_a_duration_is_what_the_span_says(observed: Observed) -> None:
    """Count, sum, bucket, range and labels come from the span's own times and attributes."""
    observed.request("/a", seconds=0.03)
    observed.request("/a", seconds=0.3)
    (point,) = observed.points(DURATION)
    assert (point.count, point.sum, point.min, point.max) == (
        2,
        pytest.approx(0.33),
        pytest.approx(0.03),
        pytest.approx(0.3),
    )
    assert dict(point.attributes) == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "http.route": "/a",
        "http.response.status_code": 200,
    }
    assert tuple(point.explicit_bounds) == http.SERVER_DURATION.buckets
    bounds = http.SERVER_DURATION.buckets
    assert [bounds[index] for index, count in enumerate(point.bucket_counts) if count] == [0.05, 0.3]


def test_labels_that_differ_are_other_series(observed: Observed) -> None:
    """By route and by status."""
    observed.request("/a")
    observed.request("/b")
    observed.request("/b", 500)
    series = [(p.attributes["http.route"], p.attributes.get("error.type"), p.count) for p in observed.points(DURATION)]
    assert series == [("/a", None, 1), ("/b", None, 1), ("/b", "500", 1)]


def test_counts_and_values_are_derived_too(observed: Observed) -> None:
    """A counter of spans, and a histogram of an attribute that only some spans have."""
    tracer = observed.tracer(messaging.SCOPE)
    for outcome in ("success", "success", "failure"):
        tracer.start_span("run t", kind=SpanKind.CONSUMER, attributes={"celery.task.outcome": outcome}).end()
    counts = {point.attributes["celery.task.outcome"]: point.value for point in observed.points("celery.task.runs")}
    assert counts == {"success": 2, "failure": 1}
    observed.request("/without")
    span = observed.start("/with")
    span.set_attribute("http.response.body.size", 300)
    span.end()
    (sizes,) = observed.points("http.server.response.body.size")
    assert (sizes.count, sizes.sum, sizes.attributes["http.route"]) == (1, 300, "/with")


def test_measurements_are_aggregated(observed: Observed) -> None:
    """What instrumentation hands over lands under the key it says; None is an absent label."""
    for seconds in (0.02, 0.2):
        observed.worker.measure(Measurement(db.CONNECTION_WAIT_TIME, seconds, ("pool",)))
    observed.worker.measure(Measurement(db.CONNECTION_WAIT_TIME, 1.0, (None,)))
    named, nameless = observed.points("db.client.connection.wait_time")
    assert (named.count, dict(named.attributes)) == (2, {"db.client.connection.pool.name": "pool"})
    assert (nameless.count, dict(nameless.attributes)) == (1, {})


def test_a_span_of_another_scope_derives_nothing(observed: Observed) -> None:
    """Metrics come from our own instrumentation's spans."""
    observed.tracer("app").start_span("GET /a", kind=SpanKind.SERVER, attributes={"http.route": "/a"}).end()
    assert observed.points(DURATION) == []


@pytest.mark.parametrize("route", [{"a": 1}, [1, {"b": 2}], b"bytes", object()])
def test_a_label_of_any_type_is_counted(observed: Observed, route: Any) -> None:
    """Whatever the app put there: the span is exported, and there is one series for it."""
    span = observed.start("/a")
    span.set_attribute("http.route", route)
    span.end()
    assert len(observed.spans()) == 1
    assert [point.count for point in observed.points(DURATION)] == [1]


def test_an_exemplar_opens_an_exported_span(observed: Observed) -> None:
    """The first of each bucket, stamped on the span before it is exported."""
    fast, again, slow = (observed.request("/a", seconds=seconds) for seconds in (0.03, 0.031, 0.3))
    (point,) = observed.points(DURATION)
    assert [(one.trace_id, one.span_id, one.value) for one in point.exemplars] == [
        (span.context.trace_id, span.context.span_id, pytest.approx(span.duration_ns / SECOND)) for span in (fast, slow)
    ]
    stamped = [span for span in observed.spans() if span.attributes.get("otel_distro.exemplar")]
    assert stamped == [fast, slow]
    assert again in observed.spans()


def test_each_interval_has_its_own_exemplars(observed: Observed) -> None:
    """A collect begins a new interval; without traffic there is none."""
    first = observed.request("/a")
    assert observed.points(DURATION)[0].exemplars[0].trace_id == first.context.trace_id
    assert observed.points(DURATION)[0].exemplars == []
    second = observed.request("/a")
    assert observed.points(DURATION)[0].exemplars[0].trace_id == second.context.trace_id


def test_what_is_not_exported_is_no_exemplar(observe: Make) -> None:
    """Head-dropped and thrown away: no. Kept late: yes, and stamped."""
    observed = observe(sampler=ParentBased(TraceIdRatioBased(0.0)))
    observed.request("/good")
    kept = observed.request("/bad", 500)
    exemplars = [one.span_id for point in observed.points(DURATION) for one in point.exemplars]
    assert exemplars == [kept.context.span_id]
    assert observed.spans()[0].attributes["otel_distro.exemplar"] is True


def test_without_a_span_exporter_there_is_no_exemplar(observe: Make) -> None:
    """Every exemplar opens, or is not there."""
    observed = observe(exporting=False)
    observed.request("/a")
    assert observed.points(DURATION)[0].exemplars == []


def test_exemplars_can_be_switched_off(observe: Make) -> None:
    """By the standard variable; then no span is stamped either."""
    observed = observe({"OTEL_METRICS_EXEMPLAR_FILTER": "always_off"})
    span = observed.request("/a")
    assert observed.points(DURATION)[0].exemplars == []
    assert "otel_distro.exemplar" not in span.attributes


def test_too_many_series_overflow(observe: Make, complaints: list[str]) -> None:
    """Beyond the limit all is counted under the overflow attribute, and one line names the label with most values."""
    observed = observe({"OTEL_DISTRO_CARDINALITY_LIMIT": "10"})
    for number in range(50):
        observed.request(f"/user/{number}")
    points = observed.points(DURATION)
    overflow = [point for point in points if point.attributes.get("otel.metric.overflow")]
    assert (len(points), sum(point.count for point in points)) == (11, 50)
    assert [(dict(point.attributes), point.count) for point in overflow] == [({"otel.metric.overflow": True}, 40)]
    (line,) = [line for line in complaints if DURATION in line]
    assert "http.route (10)" in line
    assert "OTEL_DISTRO_CARDINALITY_LIMIT" in line
    assert observed.points("otel_distro.cardinality.overflow")[0].value == 40


def test_the_app_s_own_instruments_overflow_too(observe: Make, complaints: list[str]) -> None:
    """The SDK has no limit; ours holds for counters and histograms of the metrics API."""
    observed = observe({"OTEL_DISTRO_CARDINALITY_LIMIT": "10"})
    counter = observed.pipeline.meter_provider.get_meter("app").create_counter("orders")
    for number in range(50):
        counter.add(1, {"user": number, "tier": "free"})
    points = observed.points("orders")
    assert (len(points), sum(point.value for point in points)) == (11, 50)
    (line,) = [line for line in complaints if "orders" in line]
    assert "user (10)" in line


@pytest.mark.parametrize("make", ["create_counter", "create_histogram", "create_up_down_counter"])
def test_the_limit_is_of_what_a_view_keeps(observe: Make, complaints: list[str], make: str) -> None:
    """A view is the remedy for too many series: attributes that it leaves out make none."""
    view = View(instrument_name="orders", attribute_keys={"kind"})
    made = observe({"OTEL_DISTRO_CARDINALITY_LIMIT": "2"}, views=[view])
    instrument = getattr(made.pipeline.meter_provider.get_meter("app"), make)("orders")
    for user in range(10):
        getattr(instrument, "record" if make == "create_histogram" else "add")(1, {"kind": "book", "user": user})
    (point,) = made.points("orders")
    assert (dict(point.attributes), getattr(point, "value", None) or point.sum) == ({"kind": "book"}, 10)
    assert complaints == []


def test_what_a_view_drops_has_no_limit(observe: Make, complaints: list[str]) -> None:
    """Nothing is said of series that nobody has."""
    view = View(instrument_name="orders", aggregation=DropAggregation())
    made = observe({"OTEL_DISTRO_CARDINALITY_LIMIT": "2"}, views=[view])
    for user in range(10):
        made.pipeline.meter_provider.get_meter("app").create_counter("orders").add(1, {"user": user})
    assert "orders" not in made.metrics()
    assert complaints == []


def test_each_view_has_a_limit_of_its_own(observe: Make, complaints: list[str]) -> None:
    """What one view has too much of is overflow there, whatever attributes it keeps, and whole in the other."""
    keys = {"orders.kind": {"kind"}, "orders.user": {"user"}}
    views = [View(instrument_name="orders", name=name, attribute_keys=kept) for name, kept in keys.items()]
    made = observe({"OTEL_DISTRO_CARDINALITY_LIMIT": "2"}, views=views)
    counter = made.pipeline.meter_provider.get_meter("app").create_counter("orders")
    for user in range(10):
        counter.add(1, {"kind": "book", "user": user})
    found = {name: [(dict(point.attributes), point.value) for point in made.points(name)] for name in keys}
    assert found["orders.kind"] == [({"kind": "book"}, 10)]
    assert found["orders.user"] == [({"user": 0}, 1), ({"user": 1}, 1), ({"otel.metric.overflow": True}, 8)]
    (line,) = complaints
    assert "orders.user" in line


def test_the_order_of_attributes_does_not_matter_their_types_do(observe: Make) -> None:
    """One series for `a, b` and `b, a`; 1 and True are two; sequences are values, too."""
    made = observe()
    counter = made.pipeline.meter_provider.get_meter("app").create_counter("orders")
    for attributes in ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": True, "b": 2}, {"a": [1, 2]}, {"a": [1, 2]}):
        counter.add(1, attributes)
    assert [point.value for point in made.points("orders")] == [2, 1, 2]


@pytest.mark.parametrize(
    "attributes", [{"a": [1, 2]}, {"a": {"b": 1}}, {"a": [[1], {}]}, {"a": object()}, {1: 2}, None]
)
def test_a_measurement_with_any_attributes_raises_nothing(observed: Observed, attributes: Any) -> None:
    """The metrics API never reaches the app with an error of ours or of the SDK."""
    meter = observed.pipeline.meter_provider.get_meter("app")
    meter.create_counter("orders").add(1, attributes)
    meter.create_histogram("sizes").record(float("nan"), attributes)
    observed.request("/a")
    assert observed.counts() == {"/a": 1}
