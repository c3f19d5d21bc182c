"""PostgreSQL, Debian's: the shop's database."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg

from tests.e2e.server import Server
from tools.backends import server


class Postgres:
    """A running PostgreSQL; it refuses to run as root, so root starts it as `postgres`."""

    def __init__(self, folder: Path, port: int) -> None:
        self._address = f"127.0.0.1:{port}/postgres"
        self.url = f"postgresql://shop@{self._address}"
        user = "postgres" if os.geteuid() == 0 else None
        # Not below pytest's folder, which only its owner can enter.
        self._data = Path(tempfile.mkdtemp(prefix="otel-distro-postgres-"))
        if user:
            shutil.chown(self._data, user)
        initialise = [
            server("initdb"),
            "-D",
            self._data,
            "-U",
            "shop",
            "--auth=trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run(
            [*map(str, initialise), "--locale=C.UTF-8"],
            check=True,
            capture_output=True,
            user=user,
            cwd=self._data,
        )
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        command: list[object] = [server("postgres"), "-D", self._data, "-p", str(port)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self.server = Server(command, folder, self._answers, user=user, working_folder=self._data)

    def stop(self) -> None:
        """Stop the server without waiting for its clients, and remove its data."""
        self.server.stop(signal.SIGINT)
        shutil.rmtree(self._data, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
