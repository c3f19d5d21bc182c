"""The application under test: one task for each way a run can end."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from celery import Celery, Task
from celery.exceptions import Ignore, Reject
from celery.utils.log import get_task_logger
from opentelemetry import trace

import otel_distro

logger = get_task_logger(__name__)


class CardDeclinedError(Exception):
    """What `pay` raises."""


class UnpicklableError(Exception):
    """An error that no pool can send back as it is."""

    def __init__(self, code: int, *, lock: object) -> None:
        super().__init__(code)
        self.lock = lock


def seen() -> dict[str, Any]:
    """What a task can tell of the trace and the request it runs for."""
    context = trace.get_current_span().get_span_context()
    return {
        "trace_id": f"{context.trace_id:032x}",
        "request_id": otel_distro.request_id(),
        "pid": os.getpid(),
    }


def pack(order: int) -> dict[str, Any]:
    logger.info("packing %s", order)
    return {"order": order, **seen()}


def pay(order: int) -> None:
    raise CardDeclinedError(f"order {order}")


def price(self: Task) -> int:
    if self.request.retries < 2:
        raise self.retry(exc=CardDeclinedError("later"), countdown=0)
    return self.request.retries


def ignore() -> None:
    raise Ignore


def reject() -> None:
    raise Reject("not mine", requeue=False)


def odd() -> None:
    raise UnpicklableError(4, lock=threading.Lock())


def leave() -> None:
    raise SystemExit(3)


def name_user(user: str) -> None:
    otel_distro.bind(tier=user)


def wait(marker: str, seconds: float) -> None:
    """Say by a file that the run has begun, then take long."""
    Path(marker).touch()
    time.sleep(seconds)


def register(app: Celery) -> None:
    """Make these functions tasks of an application."""
    for function in (pack, pay, ignore, reject, odd, leave, name_user, wait):
        app.task(function, name=f"orders.{function.__name__}")
    app.task(price, name="orders.price", bind=True, max_retries=3)
    app.task(pay, name="orders.expected", throws=(CardDeclinedError,))
