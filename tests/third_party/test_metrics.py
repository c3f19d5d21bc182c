"""Views, readers and exporters of others on our meter provider: for the app's instruments and for derived metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import AggregationTemporality
from opentelemetry.sdk.metrics.view import (
    DropAggregation,
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    LastValueAggregation,
    SumAggregation,
    View,
)

from tests.exporter.requests import attributes
from tests.exporter.server import OtlpServer
from tests.pipeline.observed import Observed
from tests.third_party.conftest import Run, posted

Make = Callable[..., Observed]
DURATION = "http.server.request.duration"
APP = """
from fastapi import FastAPI
from fastapi.testclient import TestClient
from opentelemetry import metrics
app = FastAPI()
@app.get("/items/{item}")
def read(item: int):
    meter.create_counter("orders").add(2, {"kind": "book", "user": item})
    return item
meter, client = metrics.get_meter("app"), TestClient(app)
def work():
    for item in range(3):
        assert client.get(f"/items/{item}").status_code == 200
"""


@pytest.fixture(params=[DURATION, "app.duration"], ids=["derived", "the app's"])
def name(request: pytest.FixtureRequest) -> str:
    """A histogram: one that we derive, one of the app."""
    found: str = request.param
    return found


def observed(observe: Make, name: str, *views: View) -> dict[str, Any]:
    """What a reader collects under these views after three requests, two of one kind."""
    made = observe(views=list(views))
    histogram = made.pipeline.meter_provider.get_meter("app").create_histogram("app.duration", "s")
    for route in ("/a", "/a", "/b"):
        made.request(route, seconds=1.5)
        histogram.record(1.5, {"http.route": route, "http.request.method": "GET"})
    return made.metrics()


def test_a_view_drops(observe: Make, name: str) -> None:
    """The metric is gone."""
    assert name not in observed(observe, name, View(instrument_name=name, aggregation=DropAggregation()))


def test_a_view_renames(observe: Make, name: str) -> None:
    """And describes."""
    found = observed(observe, name, View(instrument_name=name, name="latency", description="mine"))
    assert name not in found
    assert found["latency"].description == "mine"
    assert sum(point.count for point in found["latency"].data.data_points) == 3


def test_a_view_keeps_attributes(observe: Make, name: str) -> None:
    """What differs only in the others is one series."""
    (point,) = observed(observe, name, View(instrument_name=name, attribute_keys={"http.request.method"}))[
        name
    ].data.data_points
    assert (dict(point.attributes), point.count) == ({"http.request.method": "GET"}, 3)


def test_a_view_sets_buckets(observe: Make, name: str) -> None:
    """Explicit ones."""
    view = View(instrument_name=name, aggregation=ExplicitBucketHistogramAggregation([1.0, 2.0]))
    found = {
        point.attributes["http.route"]: (tuple(point.explicit_bounds), tuple(point.bucket_counts))
        for point in observed(observe, name, view)[name].data.data_points
    }
    assert found == {"/a": ((1.0, 2.0), (0, 2, 0)), "/b": ((1.0, 2.0), (0, 1, 0))}


def test_a_view_makes_an_exponential_histogram(observe: Make, name: str) -> None:
    """Of the attributes that it keeps, under the name that it gives."""
    aggregation = ExponentialBucketHistogramAggregation(max_size=20)
    view = View(instrument_name=name, name="latency", attribute_keys={"http.route"}, aggregation=aggregation)
    data = observed(observe, name, view)["latency"].data
    assert type(data).__name__ == "ExponentialHistogram"
    assert data.aggregation_temporality is AggregationTemporality.CUMULATIVE
    found = {point.attributes["http.route"]: (point.count, point.sum, point.max) for point in data.data_points}
    assert found == {"/a": (2, pytest.approx(3.0), 1.5), "/b": (1, pytest.approx(1.5), 1.5)}


@pytest.mark.parametrize(("aggregation", "value"), [(SumAggregation(), 3.0), (LastValueAggregation(), 1.5)])
def test_a_view_makes_a_number(observe: Make, name: str, aggregation: Any, value: float) -> None:
    """A sum, or the last value."""
    found = observed(observe, name, View(instrument_name=name, aggregation=aggregation))[name].data.data_points
    assert {point.attributes["http.route"]: point.value for point in found}["/a"] == pytest.approx(value)


def test_an_exponential_histogram_stands_beside_another_view(observe: Make, name: str) -> None:
    """Each view makes its stream, with the whole traffic; none comes twice."""
    exponential = View(instrument_name=name, name="exact", aggregation=ExponentialBucketHistogramAggregation())
    found = observed(observe, name, exponential, View(instrument_name=name, attribute_keys=set()))
    assert [point.count for point in found[name].data.data_points] == [3]
    assert sorted(point.count for point in found["exact"].data.data_points) == [1, 2]


@pytest.mark.integration
def test_a_configurator_of_one_s_own_gives_views(run: Run, server: OtlpServer) -> None:
    """A subclass of ours: its views, processors and resource attributes hold; what it can't give is one line."""
    outcome = run(
        APP + "work(); meter.create_counter('noise').add(1); import logging; logging.warning('card 4711')",
        OTEL_PYTHON_CONFIGURATOR="vendor",
    )
    (duration,) = server.metrics(DURATION)[-1:]
    assert [point.count for point in duration.exponential_histogram.data_points][-1] == 3
    (orders,) = server.metrics("vendor.orders")[-1:]
    assert [(attributes(point.attributes), point.as_int) for point in orders.sum.data_points][-1] == (
        {"kind": "book"},
        6,
    )
    assert server.metrics("orders") == server.metrics("noise") == []
    assert {attributes(span.attributes)["vendor.tenant"] for span in server.spans()} == {"None"}
    assert "card ****" in [record.body.string_value for record in server.log_records()]
    assert all(attributes(scope.attributes)["vendor"] == "yes" for scope, _ in server.scopes("metrics"))
    assert len(outcome.about("pigeons")) == 1


@pytest.mark.integration
def test_an_exporter_named_by_the_environment(run: Run, server: OtlpServer) -> None:
    """By its entry point, beside ours: it gets the derived metrics too, and is shut down at the end."""
    run(APP + "work()", OTEL_METRICS_EXPORTER="vendor,otlp")
    found = posted(server, "/metrics")[-1]
    assert (found[DURATION], found["orders"]) == (1, 3)
    assert server.metrics(DURATION)
    assert len(posted(server, "/bye/metrics")) == 1


SCRAPE = """
import urllib.request
from prometheus_client import start_http_server
def scrape():
    print(urllib.request.urlopen(f"http://127.0.0.1:{http.server_port}/metrics").read().decode())
"""
READER = """
from opentelemetry.exporter.prometheus import PrometheusMetricReader
metrics.get_meter_provider().add_metric_reader(PrometheusMetricReader())
http, _ = start_http_server(0, "127.0.0.1")
work(); scrape(); work(); scrape()
"""


@pytest.mark.integration
def test_a_prometheus_reader_added_by_the_app_is_scraped(run: Run, server: OtlpServer) -> None:
    """Derived metrics and the app's own, cumulative, beside our OTLP."""
    outcome = run(APP + SCRAPE + READER)
    duration = outcome.about("http_server_request_duration_seconds_count{")
    assert [line.rsplit(" ", 1)[1] for line in duration] == ["3.0", "6.0"]
    assert all('http_route="/items/{item}"' in line for line in duration)
    orders = [line for line in outcome.about("orders_total{") if 'user="1"' in line]
    assert [line.rsplit(" ", 1)[1] for line in orders] == ["2.0", "4.0"]
    assert outcome.about("http_server_request_duration_seconds_bucket{")
    assert server.metrics(DURATION)[-1].histogram.data_points[-1].count == 6


@pytest.mark.integration
def test_a_prometheus_reader_named_by_the_environment_serves_the_app_s_metrics(run: Run, free_port: int) -> None:
    """Besides the derived ones, on the port of its variable."""
    http = f"class http:\n    server_port = {free_port}\n"
    outcome = run(
        APP + SCRAPE + http + "work(); scrape()",
        OTEL_METRICS_EXPORTER="prometheus",
        OTEL_EXPORTER_PROMETHEUS_HOST="127.0.0.1",
        OTEL_EXPORTER_PROMETHEUS_PORT=str(free_port),
    )
    assert [line.rsplit(" ", 1)[1] for line in outcome.about("orders_total{") if 'user="1"' in line] == ["2.0"]
    assert outcome.about("http_server_request_duration_seconds_count{")
