"""The Celery application; every run of `work` is an item."""

from __future__ import annotations

import os
import time
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

from tests.reliability.app.item import JOURNAL, observe
from tests.reliability.app.naming import BROKER_VARIABLE, QUEUE_VARIABLE

app = Celery("reliability", broker=os.environ[BROKER_VARIABLE])
app.conf.task_ignore_result = True
app.conf.task_default_queue = os.environ[QUEUE_VARIABLE]
app.conf.broker_connection_retry_on_startup = True
_kept: list[bytes] = []


@worker_process_init.connect
def _here(**_: object) -> None:
    JOURNAL.here()


@app.task(bind=True)
def work(task: Any, seconds: float = 0.0, keep: int = 0) -> None:
    """Do one item; with `keep`, hold on to so many bytes of memory."""
    with JOURNAL.item(task.request.id):
        observe(task.request.id)
        if keep:
            _kept.append(os.urandom(keep))
        if seconds:
            time.sleep(seconds)
