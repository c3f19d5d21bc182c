"""A webhook, signed as Stripe signs it, is one trace from the delivery to the job that books it."""

from __future__ import annotations

import uuid

from tests.e2e.evidence import lines_of, only, statements, trace_of
from tests.e2e.loki import Loki
from tests.e2e.prometheus import Prometheus
from tests.e2e.shop import STRIPE_SECRET, WORKER, Shop
from tests.e2e.trace_store import TraceStore
from tests.e2e.waiting import wait_for


def test_a_delivery_and_its_job_are_one_trace(shop: Shop, loki: Loki, traces: TraceStore, request_id: str) -> None:
    """The lines of the endpoint and of the job share the request id and the trace; secrets are nowhere."""
    event = f"evt_{uuid.uuid4().hex}"
    assert shop.stripe(request_id, event).status_code == 200
    booked = f"booked payment_intent.succeeded {event}"
    lines = lines_of(loki, request_id, "request_completed", "Stripe event", booked)
    (trace_id,) = {line.labels["trace_id"] for line in lines}
    spans = trace_of(traces, trace_id, "POST /webhooks/stripe", "run shop.handle_payment")
    assert only(spans, "SERVER").status == "UNSET"
    assert only(spans, "CONSUMER").service == WORKER
    assert {span.service for span in statements(spans)} == {"shop-web", WORKER}
    assert STRIPE_SECRET not in str(spans) + str(lines)


def test_a_forged_delivery(shop: Shop, loki: Loki, prometheus: Prometheus, request_id: str) -> None:
    """A wrong signature is a 400 of the same route: a warning, no error, no job."""
    headers = {"stripe-signature": "t=1,v1=0"}
    answer = shop.request("POST", "/webhooks/stripe", request_id, content=b"{}", headers=headers)
    assert answer.status_code == 400
    lines = lines_of(loki, request_id, "request_completed", "refused a Stripe webhook")
    assert {line.labels["service_name"] for line in lines} == {"shop-web"}
    series = 'http_server_request_duration_seconds_count{http_route="/webhooks/stripe"}'
    wait_for(lambda: prometheus.total(series) >= shop.sent["POST", "/webhooks/stripe"], series)
    assert prometheus.increase(series) == shop.sent["POST", "/webhooks/stripe"]
