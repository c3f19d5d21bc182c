"""A real uvicorn on loopback, in a thread of the test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

import uvicorn


class Running:
    """A server that answers at `port` until `stop()`."""

    def __init__(self, app: Any, **options: Any) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        config = uvicorn.Config(app, log_config=None, ws="websockets-sansio", **options)
        self.server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self.server.run, args=([self._socket],), daemon=True)
        self._thread.start()
        wait_until(lambda: self.server.started)

    @property
    def url(self) -> str:
        """Where it answers, without a scheme."""
        return f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Stop it and wait for its lifespan to end."""
        self.server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive(), "the server did not stop"
        self._socket.close()


@contextmanager
def serving(app: Any, **options: Any) -> Iterator[Running]:
    """A server for the length of the block."""
    running = Running(app, **options)
    try:
        yield running
    finally:
        running.stop()


def wait_until(condition: Any, seconds: float = 10) -> None:
    """Return once the condition holds; fail when it does not in time."""
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, "the condition did not come true in time"
        sleep(0.005)
