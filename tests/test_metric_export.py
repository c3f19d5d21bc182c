"""Metrics under `opentelemetry-instrument`: their interval, their temporality, and a Prometheus that scrapes them."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.exporter.server import OtlpServer
from tests.instrumented import SCRIPT, instrumented

pytestmark = pytest.mark.integration


@pytest.fixture
def server() -> Iterator[OtlpServer]:
    """A collector on a free port."""
    with OtlpServer().running() as running:
        yield running


def test_the_metric_interval(server: OtlpServer) -> None:
    """In milliseconds, as the variable says."""
    wait = "\nimport time; time.sleep(1.2)"
    assert instrumented(SCRIPT + wait, server, OTEL_METRIC_EXPORT_INTERVAL="200").fine
    assert len(server.metrics("orders")) >= 3


def test_delta_temporality(server: OtlpServer) -> None:
    """The preference holds for the app's own instruments, too."""
    more = "\nmetrics.get_meter_provider().force_flush()\nmetrics.get_meter('app').create_counter('orders').add(3)"
    assert instrumented(SCRIPT + more, server, OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="delta").fine
    assert [point.as_int for metric in server.metrics("orders") for point in metric.sum.data_points] == [2, 3]
    assert {metric.sum.aggregation_temporality for metric in server.metrics("orders")} == {1}


APP = """
import urllib.request
from fastapi import FastAPI
from fastapi.testclient import TestClient
app = FastAPI()
@app.get("/items/{item}")
def read(item: int):
    return item
client = TestClient(app)
for item in range(3):
    assert client.get(f"/items/{item}").status_code == 200
"""


def test_derived_metrics_can_be_scraped() -> None:
    """The Prometheus reader of upstream's package, on a port of the user's choice."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
    scrape = f"print(urllib.request.urlopen('http://127.0.0.1:{port}/metrics').read().decode())"
    more = {"OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1", "OTEL_EXPORTER_PROMETHEUS_PORT": port}
    outcome = instrumented(APP + scrape, OTEL_METRICS_EXPORTER="prometheus", **more)
    assert outcome.code == 0, outcome.err
    (line,) = outcome.about("http_server_request_duration_seconds_count{")
    assert 'http_route="/items/{item}"' in line
    assert line.endswith(" 3.0")


def test_a_taken_port_costs_the_scrape_only() -> None:
    """The app runs on, and is told once."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        more = {"OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1", "OTEL_EXPORTER_PROMETHEUS_PORT": port}
        outcome = instrumented(OTEL_METRICS_EXPORTER="prometheus", **more)
    assert outcome.fine
    assert len(outcome.about("exporter.metrics.prometheus")) == 1


def test_a_bad_exemplar_filter_is_one_line(server: OtlpServer) -> None:
    """The SDK would refuse to start; we name the setting, use the default, and go on."""
    outcome = instrumented(server=server, OTEL_METRICS_EXEMPLAR_FILTER="zz")
    assert outcome.fine
    assert len(outcome.about("OTEL_METRICS_EXEMPLAR_FILTER")) == 1
    assert not outcome.about("Traceback")
    assert [span.name for span in server.spans()] == ["inner", "outer"]
