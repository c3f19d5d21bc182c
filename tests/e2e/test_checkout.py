"""The main job: an order through web, SQL, broker, worker and SQL is one trace, its lines, its metrics."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import pytest

from tests.e2e.evidence import below, line_of, lines_of, only, statements, trace_of
from tests.e2e.loki import Line, Loki
from tests.e2e.prometheus import Prometheus
from tests.e2e.shop import WEB, WORKER, Shop
from tests.e2e.trace_store import Span, TraceStore
from tests.e2e.waiting import wait_for

ROUTE = '{service_name="shop-web", http_route="/checkout"}'
INSERT = '{db_operation_name="INSERT", db_collection_name="orders"}'
UPDATE = '{db_operation_name="UPDATE", db_collection_name="orders"}'
TASK = '{celery_task_name="shop.fulfil_order"}'


@dataclass(frozen=True)
class Order:
    """An order that was placed and fulfilled, and all that the stores say about it."""

    number: int
    request_id: str
    lines: list[Line]
    trace: list[Span]


@pytest.fixture(scope="module")
def order(shop: Shop, loki: Loki, traces: TraceStore) -> Order:
    """Place an order with a chosen request id, and start from that id."""
    request_id = f"e2e-{uuid.uuid4().hex}"
    answer = shop.checkout(request_id)
    assert answer.status_code == 201, answer.text
    number = answer.json()["order_id"]
    lines = lines_of(
        loki,
        request_id,
        "request_completed",
        "checkout of",
        "order",
        "fulfilling order",
        f"order {number} is",
    )
    (trace_id,) = {line.labels["trace_id"] for line in lines}
    trace = trace_of(traces, trace_id, "POST /checkout", "publish shop.fulfil_order", "run shop.fulfil_order")
    return Order(number, request_id, lines, trace)


def test_the_response_says_the_request_id(shop: Shop, request_id: str) -> None:
    """The chosen id comes back, so a customer can quote it."""
    assert shop.checkout(request_id).headers["X-Request-ID"] == request_id


def test_one_access_line(order: Order, loki: Loki) -> None:
    """The request has exactly one access line, with method, route, status and duration."""
    line = line_of(loki, order.request_id, "request_completed")
    facts = {
        "service_name": WEB,
        "http_request_method": "POST",
        "http_route": "/checkout",
        "http_response_status_code": "201",
    }
    assert facts.items() <= line.labels.items()
    assert float(line.labels["duration_ms"]) > 0


@pytest.mark.parametrize(
    ("service", "texts"),
    [(WEB, ("checkout of", "order {} placed")), (WORKER, ("fulfilling order {}", "order {} is fulfilled"))],
)
def test_the_apps_own_lines(order: Order, service: str, texts: tuple[str, ...]) -> None:
    """Each line of the handler and of the task carries the request id, and a span of the trace."""
    for text in texts:
        (line,) = [line for line in order.lines if line.text.startswith(text.format(order.number))]
        assert line.labels["service_name"] == service
        assert line.labels["span_id"] in {span.span_id for span in order.trace if span.service == service}


def test_a_line_says_where_it_is_from(order: Order) -> None:
    """Service and environment are labels, which select lines cheaply."""
    assert {line.labels["deployment_environment_name"] for line in order.lines} == {"e2e"}


def test_web_and_worker_are_one_trace(order: Order) -> None:
    """Server, publish and run spans hang together, and nothing in the trace is an orphan."""
    server = only(order.trace, "SERVER")
    publish = only(order.trace, "PRODUCER")
    run = only(order.trace, "CONSUMER")
    assert (server.name, server.parent_id, server.service) == ("POST /checkout", "", WEB)
    assert (publish.parent_id, publish.service) == (server.span_id, WEB)
    assert (run.parent_id, run.service) == (publish.span_id, WORKER)
    assert len(below(order.trace, server)) == len(order.trace) - 1


def test_sql_spans_on_both_sides(order: Order) -> None:
    """The INSERT is below the request, the UPDATE below the task."""
    server, run = only(order.trace, "SERVER"), only(order.trace, "CONSUMER")
    web = [span for span in statements(below(order.trace, server)) if span.service == WEB]
    worker = statements(below(order.trace, run))
    assert "INSERT" in {span.attributes["db.operation.name"] for span in web}
    assert "UPDATE" in {span.attributes["db.operation.name"] for span in worker}
    assert {span.attributes["db.system.name"] for span in web + worker} == {"postgresql"}


def test_no_value_of_the_statement_is_stored(order: Order) -> None:
    """The customer's mail address was a parameter; it is nowhere."""
    assert "alice@example.com" not in str(order.trace)
    assert "alice@example.com" not in str(order.lines)


def test_every_request_is_counted(order: Order, shop: Shop, prometheus: Prometheus) -> None:
    """increase() of the route's histogram equals the requests sent, from the first one on."""
    sent = shop.sent["POST", "/checkout"]
    series = f"http_server_request_duration_seconds_count{ROUTE}"
    wait_for(lambda: prometheus.total(series) >= sent, "the route's histogram")
    assert prometheus.increase(series) == sent


def test_exemplars_open(order: Order, prometheus: Prometheus, traces: TraceStore) -> None:
    """Every exemplar of the route names a trace that the store has, with the span that was measured."""
    selector = f"http_server_request_duration_seconds_bucket{ROUTE}"
    exemplars = wait_for(lambda: prometheus.exemplars(selector), "exemplars of the route")
    for exemplar in exemplars:
        spans = trace_of(traces, exemplar["trace_id"], "POST /checkout")
        (measured,) = [span for span in spans if span.span_id == exemplar["span_id"]]
        assert measured.attributes["otel_distro.exemplar"] is True


@pytest.mark.parametrize(
    ("series", "service"),
    [
        (f"db_client_operation_duration_seconds_count{INSERT}", WEB),
        (f"db_client_operation_duration_seconds_count{UPDATE}", WORKER),
        (f"messaging_client_operation_duration_seconds_count{TASK}", WEB),
        (f"messaging_process_duration_seconds_count{TASK}", WORKER),
        (
            'celery_task_runs_total{celery_task_name="shop.fulfil_order", celery_task_outcome="success"}',
            WORKER,
        ),
    ],
)
def test_queries_and_tasks_are_counted(
    order: Order, shop: Shop, prometheus: Prometheus, series: str, service: str
) -> None:
    """One INSERT, one message, one run and one UPDATE for each order."""
    sent = shop.sent["POST", "/checkout"]
    selector = series.replace("{", f'{{service_name="{service}", ')
    wait_for(lambda: prometheus.total(selector) >= sent, selector)
    assert prometheus.increase(selector) == sent


@pytest.mark.parametrize("service", [WEB, WORKER])
@pytest.mark.parametrize("state", ["idle", "used"])
def test_the_pool_is_measured(order: Order, prometheus: Prometheus, service: str, state: str) -> None:
    """Used and idle connections of both processes, against the pool's size."""
    labels = f'{{service_name="{service}", db_client_connection_state="{state}"}}'
    wait_for(lambda: prometheus.query(f"db_client_connection_count{labels}"), "the pool's connections")
    assert prometheus.total(f'db_client_connection_max{{service_name="{service}"}}') > 0
