"""Load: clients that ask for items until nobody answers, and a publisher of tasks."""

from __future__ import annotations

import http.client
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic, sleep
from typing import NamedTuple

from celery import Celery

from tests.reliability.case import Load

_TIMEOUT = 60


class Answer(NamedTuple):
    """When a request was sent, how long it took, and its status."""

    began: float
    seconds: float
    status: int


class Clients:
    """Threads that send one request after the other, each for an item of its own."""

    def __init__(self, port: int, load: Load) -> None:
        self._port = port
        self._paths = load.paths
        self._pause = len(load.paths) / load.rate if load.rate else 0.0
        self._items = itertools.count()
        self._over = Event()
        self.answers: list[Answer] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """They stop at the latest at the end of this."""
        threads = [Thread(target=self._run, args=(path,), daemon=True) for path in self._paths]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join(10)

    def _run(self, path: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT)
        while not self._over.is_set():
            began = monotonic()
            try:
                connection.request("GET", path.format(item=next(self._items)))
                answer = connection.getresponse()
                answer.read()
                self.answers.append(Answer(began, monotonic() - began, answer.status))
            except (OSError, http.client.HTTPException):  # a worker ends, another one will answer
                connection.close()
                sleep(0.01)
            self._over.wait(max(0.0, began + self._pause - monotonic()))
        connection.close()


def publish(broker: str, queue: str, count: int, **arguments: float) -> None:
    """Send so many tasks."""
    with Celery(broker=broker) as app, app.producer_or_acquire() as producer:
        for _ in range(count):
            app.send_task("tests.reliability.app.tasks.work", kwargs=arguments, queue=queue, producer=producer)
