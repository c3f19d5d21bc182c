"""A way to the collector that breaks, in one of many ways, and is mended: a server on loopback."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from threading import Event, Thread
from urllib.parse import urlsplit

Behaviour = Callable[[socket.socket, Event], None]
"""What becomes of a connection whose first bytes were read; the event says that it is over."""


def hangs(_: socket.socket, over: Event) -> None:
    """Takes everything and says nothing."""
    over.wait()


def drips(connection: socket.socket, over: Event) -> None:
    """An answer that comes byte by byte, and never to its status."""
    connection.sendall(b"HTTP/1.1 2")
    while not over.wait(0.2):
        connection.sendall(b"0")


def fails(connection: socket.socket, _: Event) -> None:
    """An internal error, as a broken proxy has."""
    connection.sendall(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")


def is_busy(connection: socket.socket, _: Event) -> None:
    """Not now, try again."""
    connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")


def babbles(connection: socket.socket, _: Event) -> None:
    """Nothing that anybody could read."""
    connection.sendall(bytes(range(256)) * 64)


class Way:
    """Leads to the collector, or behaves badly; before it is open, connections are refused, and nobody has its port."""

    def __init__(self, collector: str) -> None:
        parts = urlsplit(collector)
        self._collector = parts.hostname or "", parts.port or 0
        self._behaviour: Behaviour | None = None
        self._over = Event()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @contextmanager
    def open(self) -> Iterator[Way]:
        """Serve inside the block."""
        self._listener.listen(128)
        thread = Thread(target=self._serve, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.behave(None)
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            thread.join()

    def behave(self, behaviour: Behaviour | None) -> None:
        """From now on so; connections that are there end."""
        self._behaviour = behaviour
        self._over.set()
        self._over = Event()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                Thread(target=self._answer, args=(connection, self._over), daemon=True).start()

    def _answer(self, connection: socket.socket, over: Event) -> None:
        with closing(connection), suppress(OSError):
            behaviour = self._behaviour
            if behaviour is None:
                self._lead(connection, over)
                return
            connection.recv(65536)
            behaviour(connection, over)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):  # else what the client still sends is answered by a reset
                pass

    def _lead(self, connection: socket.socket, over: Event) -> None:
        with closing(socket.create_connection(self._collector)) as collector:
            Thread(target=_pump, args=(connection, collector), daemon=True).start()
            Thread(target=_end, args=(over, connection), daemon=True).start()
            _pump(collector, connection)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _end(over: Event, connection: socket.socket) -> None:
    over.wait()
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
