"""The one meter provider: views, temporality, several readers, and one stream for one name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from time import time_ns
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import Counter, Histogram, ObservableCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import (
    DefaultAggregation,
    DropAggregation,
    ExplicitBucketHistogramAggregation,
    View,
)

from otel_distro.exporter.otlp import OtlpReader
from otel_distro.exporter.sender import Sender
from otel_distro.pipeline import pace
from otel_distro.pipeline.thread import Outputs
from otel_distro.record import Measurement
from otel_distro.semconv import db
from tests.exporter.requests import Kept, decoded
from tests.pipeline.observed import SECOND, Observed

Make = Callable[..., Observed]
DURATION = "http.server.request.duration"
DELTA = dict.fromkeys((Counter, ObservableCounter, Histogram), AggregationTemporality.DELTA)


def test_a_view_drops_a_derived_metric(observe: Make) -> None:
    """And leaves the others."""
    observed = observe(views=[View(instrument_name=DURATION, aggregation=DropAggregation())])
    observed.request("/a", children=1)
    assert DURATION not in observed.metrics()
    assert "db.client.operation.duration" in observed.metrics()


def test_a_view_keeps_some_attributes(observe: Make) -> None:
    """What differs only in the others is one series then."""
    observed = observe(views=[View(instrument_name=DURATION, attribute_keys={"http.request.method"})])
    observed.request("/a")
    observed.request("/b", 500)
    (point,) = observed.points(DURATION)
    assert (dict(point.attributes), point.count) == ({"http.request.method": "GET"}, 2)


def test_a_view_sets_buckets_name_and_description(observe: Make) -> None:
    """As for the SDK's own instruments."""
    view = View(
        instrument_name=DURATION,
        name="latency",
        description="mine",
        aggregation=ExplicitBucketHistogramAggregation([1.0, 2.0]),
    )
    observed = observe(views=[view])
    observed.request("/a", seconds=1.5)
    metric = observed.metrics()["latency"]
    (point,) = metric.data.data_points
    assert (metric.description, tuple(point.explicit_bounds), tuple(point.bucket_counts)) == (
        "mine",
        (1.0, 2.0),
        (0, 1, 0),
    )


@pytest.mark.parametrize("aggregation", [DefaultAggregation(), ExplicitBucketHistogramAggregation()])
def test_a_view_without_buckets_keeps_the_catalogue_s(observe: Make, aggregation: Any) -> None:
    """Saying nothing about boundaries changes none."""
    observed = observe(views=[View(instrument_name=DURATION, aggregation=aggregation)])
    observed.request("/a", seconds=0.3)
    (point,) = observed.points(DURATION)
    assert 0.3 in point.explicit_bounds


def test_a_view_matches_by_wildcard(observe: Make) -> None:
    """As for the SDK's own instruments."""
    observed = observe(views=[View(instrument_name="http.server.*", aggregation=DropAggregation())])
    observed.request("/a", children=1)
    assert [name for name in observed.metrics() if name.startswith(("http.", "db."))] == [
        "db.client.operation.duration"
    ]


def test_two_views_make_two_streams(observe: Make) -> None:
    """Each with the whole traffic."""
    views = [View(instrument_name=DURATION), View(instrument_name=DURATION, name="total", attribute_keys=set())]
    observed = observe(views=views)
    observed.request("/a")
    observed.request("/b")
    assert [point.count for point in observed.points(DURATION)] == [1, 1]
    assert [(point.count, dict(point.attributes)) for point in observed.points("total")] == [(2, {})]


def test_a_view_applies_to_measurements(observe: Make) -> None:
    """What is handed over is under the same rules as what is derived."""
    observed = observe(views=[View(instrument_name=db.CONNECTION_WAIT_TIME.name, aggregation=DropAggregation())])
    observed.worker.measure(Measurement(db.CONNECTION_WAIT_TIME, 1.0, ("pool",)))
    assert db.CONNECTION_WAIT_TIME.name not in observed.metrics()


def test_cumulative_and_delta_readers_see_the_same_traffic(observe: Make) -> None:
    """Two readers at once, each with its own temporality, however often the other collects."""
    delta = InMemoryMetricReader(preferred_temporality=DELTA)
    observed = observe(readers=[delta])
    seen: list[tuple[int, list[int]]] = []
    for count in (3, 0, 2):
        for _ in range(count):
            observed.request("/a")
        cumulative = observed.points(DURATION)[0].count
        seen.append((cumulative, [point.count for point in observed.points(DURATION, delta)]))
    assert seen == [(3, [3]), (3, []), (5, [2])]


def test_delta_intervals_follow_each_other(observe: Make) -> None:
    """One begins where the one before ended; sum, buckets and range are of the interval alone."""
    delta = InMemoryMetricReader(preferred_temporality=DELTA)
    observed = observe(readers=[delta])
    points = []
    for seconds in (3.0, 0.03):
        observed.request("/a", seconds=seconds)
        points += observed.points(DURATION, delta)
    first, second = points
    assert second.start_time_unix_nano == first.time_unix_nano
    assert (second.count, second.sum, sum(second.bucket_counts)) == (1, pytest.approx(0.03), 1)
    assert not second.max >= 3


def test_a_series_starts_with_its_first_request(observed: Observed) -> None:
    """The start time of cumulative points is when the first request began, and stays."""
    began = time_ns()
    observed.request("/a", start=began)
    observed.points(DURATION)
    observed.request("/a")
    (point,) = observed.points(DURATION)
    assert point.start_time_unix_nano == began


def test_a_name_that_the_app_records_too_is_one_stream(observed: Observed) -> None:
    """Same name, unit and shape: the points stand together, so that no backend sees a conflict."""
    meter = observed.pipeline.meter_provider.get_meter("somebody else")
    meter.create_histogram(DURATION, "s").record(1.0, {"http.route": "/theirs"})
    observed.request("/ours")
    data = observed.reader.get_metrics_data()
    assert data is not None
    named = [
        metric
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
        if metric.name == DURATION
    ]
    assert [sorted(point.attributes["http.route"] for point in metric.data.data_points) for metric in named] == [
        ["/ours", "/theirs"]
    ]


def test_observable_instruments_keep_to_their_declared_attributes(observed: Observed) -> None:
    """A catalogue metric that somebody observes with more labels has the declared ones only."""

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(
            3, {"db.client.connection.pool.name": "pool", "db.client.connection.state": "used", "user": "me"}
        )

    meter = observed.pipeline.meter_provider.get_meter(db.SCOPE)
    meter.create_observable_up_down_counter(db.CONNECTION_COUNT.name, [observe])
    (point,) = observed.points(db.CONNECTION_COUNT.name)
    assert "user" not in point.attributes


def test_a_callback_that_fails_costs_only_its_metric(observed: Observed) -> None:
    """The app's broken gauge does not take the derived metrics with it."""

    def broken(_: CallbackOptions) -> Iterable[Observation]:
        raise RuntimeError("the app's own trouble")

    observed.pipeline.meter_provider.get_meter("app").create_observable_gauge("broken", [broken])
    observed.request("/a")
    assert observed.counts() == {"/a": 1}


def otlp(observe: Make, temporality: str = "cumulative") -> tuple[Observed, Kept]:
    """A pipeline with our own push reader."""
    observed, transport = observe(), Kept()
    reader = OtlpReader(Sender("metrics", transport, 1 << 30, 10), temporality)
    observed.pipeline.build(Outputs(reader=reader))
    return observed, transport


def sent(transport: Kept, name: str) -> list[list[Any]]:
    """By export: the points of one metric."""
    exports = []
    for payload in transport.payloads:
        scopes = decoded("metrics", payload).resource_metrics[0].scope_metrics
        metrics = [metric for scope in scopes for metric in scope.metrics if metric.name == name]
        exports.append(
            [point for metric in metrics for point in getattr(metric, metric.WhichOneof("data")).data_points]
        )
    return exports


def test_the_increase_is_the_traffic_from_the_first_request_on(observe: Make) -> None:
    """PromQL's arithmetic over what was exported, zero point included, gives all requests; and the zero comes once."""
    observed, transport = otlp(observe)
    for count in (3, 4):
        for _ in range(count):
            observed.request("/a", start=time_ns() - SECOND)
        assert observed.worker.flush(10_000)
    exports = sent(transport, DURATION)
    assert [[point.count for point in export] for export in exports] == [[0, 3], [7]]
    samples = [point for export in exports for point in export]
    assert sum(max(0, new.count - old.count) for old, new in pairwise(samples)) == 7
    assert [old.time_unix_nano < new.time_unix_nano for old, new in pairwise(samples)] == [True, True]


@pytest.mark.parametrize(
    ("temporality", "counts"), [("delta", [[3], [4]]), ("lowmemory", [[3], [4]]), ("cumulative", [[0, 3], [7]])]
)
def test_the_temporality_preference(observe: Make, temporality: str, counts: list[list[int]]) -> None:
    """As the variable's values mean."""
    observed, transport = otlp(observe, temporality)
    for count in (3, 4):
        for _ in range(count):
            observed.request("/a", start=time_ns() - SECOND)
        assert observed.worker.flush(10_000)
    assert [[point.count for point in export] for export in sent(transport, DURATION)] == counts


def test_an_app_that_only_counts_is_exported(observe: Make) -> None:
    """No span, no log line: the first measurement starts the pipeline."""
    observed, transport = otlp(observe)
    observed.pipeline.meter_provider.get_meter("app").create_counter("orders").add(2)
    assert observed.pipeline.meter_provider.force_flush()
    assert [point.as_int for export in sent(transport, "orders") for point in export][-1] == 2


def test_an_app_that_only_observes_is_exported(observe: Make) -> None:
    """Registering an observable instrument is reason enough."""
    observed, transport = otlp(observe)
    meter = observed.pipeline.meter_provider.get_meter("app")
    meter.create_observable_gauge("temperature", [lambda _: [Observation(20)]])
    assert observed.worker.flush(10_000)
    assert [point.as_int for export in sent(transport, "temperature") for point in export] == [20]


def test_a_reader_can_come_and_go(observed: Observed) -> None:
    """One added later sees the derived metrics too; removed, it is forgotten."""
    reader = InMemoryMetricReader()
    provider = observed.pipeline.meter_provider
    provider.add_metric_reader(reader)
    observed.request("/a")
    assert [point.count for point in observed.points(DURATION, reader)] == [1]
    provider.remove_metric_reader(reader)
    observed.request("/a")
    assert [point.count for point in observed.points(DURATION)] == [2]


@pytest.mark.parametrize("own", [False, True])
def test_a_collection_gives_way_between_points(observe: Make, monkeypatch: pytest.MonkeyPatch, own: bool) -> None:
    """Where each piece uses up its slice, there is a rest for every point: made from a series, and encoded."""
    observed, _ = otlp(observe)
    counter = observed.pipeline.meter_provider.get_meter("app").create_counter("orders")
    for number in range(300):
        if own:
            observed.request(f"/{number}")
        else:
            counter.add(1, {"number": number})
    observed.settle()
    rests: list[float] = []
    monkeypatch.setattr(pace, "_SLICE_NS", 0)
    monkeypatch.setattr(pace, "sleep", rests.append)
    observed.worker.outputs.reader.collect()  # type: ignore[union-attr]  # `otlp` gave it one
    assert len(rests) >= 2 * 300


def test_what_comes_during_a_collection_is_counted_once(observe: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measurements that arrive in the rests are in this collection or in the next, as deltas never in both."""
    delta = InMemoryMetricReader(preferred_temporality=DELTA)
    observed = observe(readers=[delta])
    counter = observed.pipeline.meter_provider.get_meter("app").create_counter("orders")
    monkeypatch.setattr(pace, "_SLICE_NS", 0)
    monkeypatch.setattr(pace, "sleep", lambda _: [counter.add(1, {"number": number}) for number in range(3)])
    counter.add(1)
    found = sum(point.value for _ in range(3) for point in _collected(delta, "orders"))
    monkeypatch.undo()
    found += sum(point.value for point in _collected(delta, "orders"))
    assert found == sum(point.value for point in observed.points("orders")) > 10


def _collected(reader: InMemoryMetricReader, name: str) -> list[Any]:
    data: Any = reader.get_metrics_data()
    scopes = data.resource_metrics[0].scope_metrics if data else ()
    return [
        point
        for scope in scopes
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
    ]
