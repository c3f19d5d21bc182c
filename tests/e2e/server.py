"""One server process on loopback: started, waited for, stopped by its own pid."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.e2e.waiting import wait_for

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Server:
    """A process with a log file; `start` returns when `ready` is true."""

    command: Sequence[object]
    folder: Path
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    working_folder: Path | None = None
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder / "log.txt"

    def start(self) -> None:
        """Start the process and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(part) for part in self.command],
                cwd=self.working_folder or self.folder,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                user=self.user,
                extra_groups=[] if self.user else None,
            )
        try:
            wait_for(self._is_ready, f"{self.folder.name} to be ready", timeout=60)
        except (AssertionError, KeyboardInterrupt):
            self.stop()
            raise

    def stop(self, with_signal: signal.Signals = signal.SIGTERM, timeout: float = 15.0) -> int:
        """Stop the process, by force when it does not listen; return its exit code."""
        if self._process is None:
            return 0
        process = self._process
        if process.poll() is None:
            process.send_signal(with_signal)
            with suppress(subprocess.TimeoutExpired):
                return process.wait(timeout)
            process.kill()
        return process.wait()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running process."""
        assert self._process is not None, f"{self.folder.name} was not started"
        return self._process

    @property
    def text(self) -> str:
        """Everything the process has printed."""
        return self.log.read_text(errors="replace")

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            message = f"{self.folder.name} ended with {self.process.returncode}:\n{self.text[-3000:]}"
            raise AssertionError(message)
        return self.ready()


def free_ports(count: int) -> list[int]:
    """Find so many free loopback ports."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [taken.getsockname()[1] for taken in sockets]
    for taken in sockets:
        taken.close()
    return ports


@contextmanager
def no_server() -> Iterator[int]:
    """A port at which connections are refused, and which nobody else gets meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def answers(url: str) -> bool:
    """Say whether the address answers 200."""
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
