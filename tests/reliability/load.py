"""Load: clients that ask for items until nobody answers, and a publisher of tasks."""

from __future__ import annotations

import http.client
import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import sleep

from celery import Celery

_TIMEOUT = 60


class Clients:
    """Threads that send one request after the other, each for an item of its own."""

    def __init__(self, port: int, paths: Iterable[str]) -> None:
        self._port = port
        self._paths = tuple(paths)
        self._items = itertools.count()
        self._over = Event()

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
            try:
                connection.request("GET", path.format(item=next(self._items)))
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):  # a worker ends, another one will answer
                connection.close()
                sleep(0.01)
        connection.close()


def publish(broker: str, queue: str, count: int, **arguments: float) -> None:
    """Send so many tasks."""
    with Celery(broker=broker) as app, app.producer_or_acquire() as producer:
        for _ in range(count):
            app.send_task("tests.reliability.app.tasks.work", kwargs=arguments, queue=queue, producer=producer)
