"""What fails is an error span, one exception record, and a line with the stack."""

from __future__ import annotations

import pytest

from tests.e2e.evidence import line_of, lines_of, only, trace_of
from tests.e2e.loki import Line, Loki
from tests.e2e.prometheus import Prometheus
from tests.e2e.shop import WEB, WORKER, Shop
from tests.e2e.trace_store import TraceStore
from tests.e2e.waiting import wait_for

STOCKROOM = "StockroomError"
PRINTER = "LabelPrinterError"


def stacks(lines: list[Line]) -> list[Line]:
    """Return the lines with a stack."""
    return [line for line in lines if "Traceback (most recent call last)" in line.text]


def test_an_unhandled_error(shop: Shop, loki: Loki, traces: TraceStore, request_id: str) -> None:
    """A request that raises has an error span, and its exception is recorded once, with the stack."""
    assert shop.request("GET", "/fail", request_id).status_code == 500
    lines = lines_of(loki, request_id, "looking into the stockroom", "request_completed")
    lines = wait_for(lambda: loki.request(request_id) if stacks(loki.request(request_id)) else [], "the stack")
    (stack,) = stacks(lines)
    assert STOCKROOM in stack.text
    assert stack.labels["exception_type"].endswith(STOCKROOM)
    assert stack.labels["retention"] == "errors"
    spans = trace_of(traces, stack.labels["trace_id"], "GET /fail")
    server = only(spans, "SERVER")
    assert server.status == "ERROR"
    assert server.attributes["error.type"].endswith(STOCKROOM)
    assert server.attributes["http.response.status_code"] == 500
    assert len([event for span in spans for event in span.events if event.name == "exception"]) <= 1


def test_an_error_is_counted(shop: Shop, prometheus: Prometheus, request_id: str) -> None:
    """The failing route's histogram says the status and the type of the error."""
    shop.request("GET", "/fail", request_id)
    series = (
        'http_server_request_duration_seconds_count{http_route="/fail", http_response_status_code="500",'
        f' error_type=~".*{STOCKROOM}"}}'
    )
    wait_for(lambda: prometheus.total(series) >= shop.sent["GET", "/fail"], series)
    assert prometheus.increase(series) == shop.sent["GET", "/fail"]


def test_a_handled_error_is_none(shop: Shop, loki: Loki, traces: TraceStore, request_id: str) -> None:
    """A 404 that the app answers is no error of the server, and has no stack."""
    answer = shop.request("GET", "/products/{product_id}", request_id, path="/products/404404")
    assert answer.status_code == 404
    line = line_of(loki, request_id, "request_completed")
    server = only(trace_of(traces, line.labels["trace_id"], "GET /products/{product_id}"), "SERVER")
    assert server.status == "UNSET"
    assert stacks(loki.request(request_id)) == []


def test_a_failing_task(shop: Shop, loki: Loki, traces: TraceStore, request_id: str) -> None:
    """A task that raises has an error span in the trace of the request that published it, and one stack."""
    assert shop.request("POST", "/fail-task", request_id).status_code == 202
    lines = wait_for(lambda: loki.request(request_id) if stacks(loki.request(request_id)) else [], "the stack")
    (stack,) = stacks(lines)
    assert PRINTER in stack.text
    assert stack.labels["service_name"] == WORKER
    spans = trace_of(traces, stack.labels["trace_id"], "POST /fail-task", "run shop.failing")
    run = only(spans, "CONSUMER")
    assert run.status == "ERROR"
    assert run.attributes["celery.task.outcome"] == "failure"
    assert only(spans, "SERVER").status == "UNSET"


@pytest.mark.parametrize(("outcome", "runs"), [("retry", 2), ("success", 1)])
def test_retries_are_counted(shop: Shop, prometheus: Prometheus, request_id: str, outcome: str, runs: int) -> None:
    """A task that succeeds at its third attempt is two retries and a success."""
    shop.request("POST", "/flaky", request_id, json={"key": request_id})
    series = f'celery_task_runs_total{{celery_task_name="shop.flaky", celery_task_outcome="{outcome}"}}'
    expected = runs * shop.sent["POST", "/flaky"]
    wait_for(lambda: prometheus.total(series) >= expected, series)
    assert prometheus.increase(series) == expected


def test_the_web_process_says_nothing_twice(shop: Shop, loki: Loki, request_id: str) -> None:
    """The exception that uvicorn prints too is one record in Loki, and still on the console."""
    shop.request("GET", "/fail", request_id)
    wait_for(lambda: stacks(loki.request(request_id)), "the stack")
    lines_of(loki, request_id, "request_completed")
    assert len(stacks(loki.lines(f'{{service_name="{WEB}"}} |= "{STOCKROOM}"'))) == shop.sent["GET", "/fail"]
    assert STOCKROOM in shop.web.text
