"""Redis, Debian's: the shop's broker."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.e2e.server import Server
from tools.backends import server


class Redis:
    """A running Redis that keeps nothing."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        self._port = port
        command = [
            server("redis-server"),
            "--bind",
            "127.0.0.1",
            "--port",
            str(port),
            "--save",
            "",
            "--dir",
            folder,
        ]
        self.server = Server(command, folder, self._answers)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=2) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
