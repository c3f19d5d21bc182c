"""A PostgreSQL for the benchmark alone: Debian's, on a free loopback port, its data thrown away afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.error import BenchError
from tools.backends import BackendError, server

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "max_connections": "800",
    "autovacuum": "off",
}
_PATIENCE = 60


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def postgres() -> Iterator[str]:
    """Run one, and yield its SQLAlchemy URL."""
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="otel-distro-bench-"))
    if user:
        shutil.chown(folder, user)
    port = free_port()
    try:
        _initialise(folder, user)
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        process = subprocess.Popen(
            [str(server("postgres")), "-D", str(folder), "-p", str(port), *settings],
            cwd=folder,
            user=user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except BackendError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise BenchError(f"the reference app needs PostgreSQL: {error}") from error
    try:
        _wait(process, port)
        yield f"postgresql+asyncpg://bench@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(_PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)


def _initialise(folder: Path, user: str | None) -> None:
    options = ["-U", "bench", "--auth=trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"]
    done = subprocess.run(
        [str(server("initdb")), "-D", str(folder), *options],
        capture_output=True,
        text=True,
        check=False,
        user=user,
        cwd=folder,
    )
    if done.returncode != 0:
        raise BenchError(f"initdb failed: {done.stderr[-1000:]}")


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise BenchError("PostgreSQL did not start")
