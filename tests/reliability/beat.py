"""Requests at a steady rate, whether or not those before them are answered: `beat.py PORT RATE PATH ANSWERS`.

A process of its own, as threads in the test's would ask late. Each answer is a line in a file: when its request was
due, how many seconds later it was there, and its status; 0 stands for no answer.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections import deque
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path

_LENGTH = b"content-length:"
_MOST = 32
"""Connections; what is due while all are busy is asked when one is free, and its time counts from when it was due."""


class Connection(asyncio.Protocol):
    """One request after the other; tells of each answer's status, and of its own end."""

    def __init__(self, told: Callable[[Connection, int], None], lost: Callable[[], None]) -> None:
        self._told, self._lost = told, lost
        self._received = b""
        self.due = 0.0
        self.is_open = True
        self._asks = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, request: bytes, due: float) -> None:
        """Send a request."""
        self.due, self._asks = due, True
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """A part of an answer."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(_LENGTH)]
        if len(body) >= int(lengths[0][len(_LENGTH) :]):
            self._received = b""
            self._tell(int(head.split(None, 2)[1]))

    def connection_lost(self, _error: Exception | None) -> None:
        """It is gone; a request that was under way has no answer."""
        self.is_open = False
        self._lost()
        self._tell(0)

    def _tell(self, status: int) -> None:
        if self._asks:
            self._asks = False
            self._told(self, status)


class Beat:
    """All requests of a run."""

    def __init__(self, port: int, rate: float, path: str, answers: TextIOWrapper) -> None:
        self._port, self._rate, self._path, self._answers = port, rate, path, answers
        self._free: list[Connection] = []
        self._waiting: deque[tuple[int, float]] = deque()
        self._open = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until this process is ended."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in itertools.count():
            due = began + number / self._rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            self._waiting.append((number, due))
            self._ask()

    def _ask(self) -> None:
        """Send what waits on connections that are free, else on new ones, if there may be more."""
        while self._waiting and self._free:
            connection = self._free.pop()
            if connection.is_open:
                self._ask_on(connection)
        if self._waiting and self._open < _MOST:
            self._open += 1
            task = asyncio.get_running_loop().create_task(self._connect())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(self._new, "127.0.0.1", self._port)
        except OSError:
            self._open -= 1
            if self._waiting:
                self._note(self._waiting.popleft()[1], 0)
        else:
            self._free.append(connection)
            self._ask()

    def _new(self) -> Connection:
        return Connection(self._answered, self._lost)

    def _ask_on(self, connection: Connection) -> None:
        number, due = self._waiting.popleft()
        connection.ask(self._request(number), due)

    def _request(self, number: int) -> bytes:
        return f"GET {self._path.format(item=number)} HTTP/1.1\r\nhost: 127.0.0.1:{self._port}\r\n\r\n".encode()

    def _answered(self, connection: Connection, status: int) -> None:
        self._note(connection.due, status)
        if connection.is_open:
            self._free.append(connection)
        self._ask()

    def _lost(self) -> None:
        self._open -= 1

    def _note(self, due: float, status: int) -> None:
        self._answers.write(f"{due} {asyncio.get_running_loop().time() - due} {status}\n")


if __name__ == "__main__":
    with Path(sys.argv[4]).open("w", buffering=1, encoding="ascii") as file:
        asyncio.run(Beat(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], file).run())
