"""The app's database and its tasks."""

from __future__ import annotations

import sqlite3
from typing import Any

from celery import Celery
from celery.exceptions import Ignore, Reject
from sqlalchemy import create_engine, text
from sqlalchemy.pool import QueuePool

from tests.behaviour.faults.lines import LOG

engine = create_engine(
    "sqlite:///file:faults?mode=memory&cache=shared&uri=true",
    poolclass=QueuePool,
    pool_size=1,
    max_overflow=5,
    connect_args={"check_same_thread": False},
)
small = create_engine("sqlite://", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01)
KEPT = sqlite3.connect("file:faults?mode=memory&cache=shared", uri=True)
"""As long as it is open, the database is there."""
KEPT.executescript(
    "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO item VALUES (1, 'one'), (2, 'two')"
)

tasks = Celery("faults", broker="memory://", backend="cache+memory://")
tasks.conf.update(
    broker_connection_retry_on_startup=False,
    broker_transport_options={"polling_interval": 0.005},
    worker_hijack_root_logger=False,
    task_default_queue="faults",
)


class AppError(Exception):
    """The app's own."""


@tasks.task
def add(first: int, second: int) -> int:
    """A task that succeeds, with a query and a line."""
    LOG.info("adding %s", first)
    with engine.connect() as connection:
        return first + second + len(connection.execute(text("SELECT id FROM item")).all())


@tasks.task
def fail() -> None:
    """A task that fails."""
    raise AppError("of the task")


@tasks.task(bind=True, max_retries=2, default_retry_delay=0)
def flaky(self: Any) -> int:
    """A task that is retried."""
    if self.request.retries < 1:
        raise self.retry(countdown=0)
    return int(self.request.retries)


@tasks.task
def ignored() -> None:
    """A task whose result is nobody's."""
    raise Ignore


@tasks.task
def rejected() -> None:
    """A task that its worker refuses."""
    raise Reject("no", requeue=False)
