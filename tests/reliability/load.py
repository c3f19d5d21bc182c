"""Load: clients that ask for items until nobody answers, or at a steady rate, and a publisher of tasks."""

from __future__ import annotations

import http.client
import itertools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import NamedTuple

from celery import Celery

from tests.e2e.server import ROOT
from tests.reliability.case import Load

_TIMEOUT = 60


class Answer(NamedTuple):
    """When a request was sent, or due, how long it took from then on, and its status; 0: it had no answer."""

    began: float
    seconds: float
    status: int


class Clients:
    """Threads that send one request after the other, each for an item of its own."""

    def __init__(self, port: int, load: Load) -> None:
        self._port = port
        self._paths = load.paths
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
        connection.close()


class Steady:
    """A process that sends requests at a rate, and does not wait for answers before it sends others."""

    def __init__(self, port: int, load: Load, folder: Path) -> None:
        self._file = folder / "answers"
        self._file.touch()
        words = (port, load.rate, *load.paths, self._file)
        self._command = [sys.executable, "-m", "tests.reliability.beat", *map(str, words)]

    @contextmanager
    def running(self) -> Iterator[None]:
        """It stops at the end of this."""
        process = subprocess.Popen(self._command, cwd=ROOT)
        try:
            yield
        finally:
            assert process.poll() is None, f"the clients ended with {process.returncode}"
            process.terminate()
            process.wait(10)

    @property
    def answers(self) -> list[Answer]:
        """Those that are there by now."""
        lines = self._file.read_text("ascii").splitlines(keepends=True)
        words = (line.split() for line in lines if line.endswith("\n"))
        return [Answer(float(due), float(seconds), int(status)) for due, seconds, status in words]

    def within(self, began: float, seconds: float) -> list[Answer]:
        """Answers to what was due within a time that is over."""
        return [answer for answer in self.answers if began <= answer.began < began + seconds]


def publish(broker: str, queue: str, count: int, **arguments: float) -> None:
    """Send so many tasks."""
    with Celery(broker=broker) as app, app.producer_or_acquire() as producer:
        for _ in range(count):
            app.send_task("tests.reliability.app.tasks.work", kwargs=arguments, queue=queue, producer=producer)
