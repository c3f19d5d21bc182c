"""The Celery application and its tasks."""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery, Task
from celery.signals import worker_init

from shop.broker import broker_configuration
from shop.database import prepare_from_worker, sync_session
from shop.models import Order, Product, WebhookEvent

MOST_PER_ORDER = 100
FLAKY_ATTEMPTS = 3

logger = logging.getLogger("shop.worker")  # `celery -A shop.worker` would name it so anyway
logging.getLogger("shop").setLevel(logging.INFO)  # Celery's own default is WARNING

app = Celery("shop")
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_ignore_result=True,
    **broker_configuration(),
)


class CarrierBusyError(Exception):
    """The parcel service asks us to come back later."""


class LabelPrinterError(Exception):
    """The label printer is on fire."""


@worker_init.connect  # type: ignore[untyped-decorator]
def prepare_database(**_event: Any) -> None:
    """Create the tables before the first task."""
    prepare_from_worker()


@app.task(name="shop.fulfil_order")  # type: ignore[untyped-decorator]
def fulfil_order(order_id: int) -> None:
    """Pack an order, or fail it when nobody can carry that much."""
    logger.info("fulfilling order %s", order_id)
    with sync_session() as session:
        order = session.get_one(Order, order_id)
        product = session.get_one(Product, order.product_id)
        order.status = "failed" if order.quantity > MOST_PER_ORDER else "fulfilled"
        summary = (order_id, order.status, order.quantity, product.name)
    logger.info("order %s is %s: %s x %s", *summary)


@app.task(name="shop.handle_payment")  # type: ignore[untyped-decorator]
def handle_payment(event_id: str) -> None:
    """Book a payment event that Stripe sent."""
    with sync_session() as session:
        event = session.query(WebhookEvent).filter_by(provider="stripe", event_id=event_id).one()
        event.status = "handled"
        event_type = event.event_type
    logger.info("booked %s %s", event_type, event_id)


@app.task(name="shop.flaky", bind=True, max_retries=FLAKY_ATTEMPTS, default_retry_delay=0.05)  # type: ignore[untyped-decorator]
def flaky(self: Task, key: str) -> None:
    """Hand a parcel to a carrier that says yes only the third time."""
    attempt = self.request.retries + 1
    if attempt < FLAKY_ATTEMPTS:
        logger.warning("carrier is busy, attempt %s for %s", attempt, key)
        raise self.retry(exc=CarrierBusyError(f"attempt {attempt}"))
    logger.info("carrier took %s at attempt %s", key, attempt)


@app.task(name="shop.failing")  # type: ignore[untyped-decorator]
def failing() -> None:
    """Print a label; this never works."""
    logger.info("printing a label")
    message = "the label printer is on fire"
    raise LabelPrinterError(message)
