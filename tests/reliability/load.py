"""Load: clients that ask for items until nobody answers, and a publisher of tasks."""

from __future__ import annotations

import http.client
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import sleep

from celery import Celery

_CLIENTS = 4


class Clients:
    """Threads that send one request after the other, each for an item of its own."""

    def __init__(self, port: int, path: str = "/items/{item}") -> None:
        self._port = port
        self._path = path
        self._items = itertools.count()
        self._over = Event()
        self.answered = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """They stop at the latest at the end of this."""
        threads = [Thread(target=self._run, daemon=True) for _ in range(_CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join(10)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        while not self._over.is_set():
            try:
                connection.request("GET", self._path.format(item=next(self._items)))
                connection.getresponse().read()
                self.answered += 1
            except (OSError, http.client.HTTPException):  # a worker ends, another one will answer
                connection.close()
                sleep(0.01)
        connection.close()


def publish(broker: str, queue: str, count: int, **arguments: float) -> None:
    """Send so many tasks."""
    with Celery(broker=broker) as app, app.producer_or_acquire() as producer:
        for _ in range(count):
            app.send_task("tests.reliability.app.tasks.work", kwargs=arguments, queue=queue, producer=producer)
