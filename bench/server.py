"""One variant's server: started as production would, stopped so that it can flush."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from urllib.error import HTTPError
from urllib.request import urlopen

from bench.database import free_port
from bench.environments import HERE
from bench.error import BenchError
from bench.process import tree_cpu, tree_rss
from bench.variants import Variant

_PATIENCE = 60
_FOREIGN = (
    "OTEL_",
    "DD_",
    "SENTRY_",
    "NEW_RELIC",
    "LOGFIRE_",
    "BENCH_",
    "PYTHON",
    "LOG_LEVEL",
    "VIRTUAL_ENV",
)
_UVICORN = (
    "--no-access-log",
    "--loop",
    "uvloop",
    "--http",
    "httptools",
    "--app-dir",
    ".",
    "--host",
    "127.0.0.1",
)


class Place:
    """Where servers find what they need: the database, the stub and the sink of their telemetry."""

    def __init__(self, database: str, stub: str, sink: int, errors: Path | None = None) -> None:
        self.sink = sink
        self.errors = errors
        """A folder for what the servers print; None: the null device."""
        self.variables = {"BENCH_DATABASE": database, "BENCH_STUB": stub}

    def environ(self, variant: Variant) -> dict[str, str]:
        """The whole environment of a variant's process."""
        mine = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        folder = variant.environment.folder / "bin"
        mine["PATH"] = f"{folder}{os.pathsep}{mine.get('PATH', '')}"
        return {**mine, **self.variables, **variant.environ(self.sink)}


class Server:
    """A running Uvicorn with one worker; usable once constructed."""

    def __init__(self, variant: Variant, place: Place) -> None:
        self.variant = variant
        self.port = free_port()
        self.requests = 0
        """Answered so far, as the loads report them."""
        programs = [*variant.launcher, "uvicorn"]
        programs = [str(variant.environment.program(programs[0])), *programs[1:]]
        command = [*programs, "main:app", *_UVICORN, "--port", str(self.port)]
        output = subprocess.DEVNULL if place.errors is None else (place.errors / variant.name).open("wb")
        started = time.monotonic()
        self.process = subprocess.Popen(
            command,
            cwd=HERE / "app",
            env=place.environ(variant),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        self._wait_for_answer(started)
        self.start_seconds = time.monotonic() - started
        self.start_cpu = self.cpu()
        self.requests += 1

    def _wait_for_answer(self, started: float) -> None:
        while self.process.poll() is None and time.monotonic() - started < _PATIENCE:
            if self._answers():
                return
            time.sleep(0.005)
        self.kill()
        raise BenchError(f"{self.variant.name}: the server did not start (exit code {self.process.poll()})")

    def _answers(self) -> bool:
        try:
            self.get("/health")
        except HTTPError as error:
            self.kill()
            raise BenchError(f"{self.variant.name}: /health answers {error.code}") from error
        except OSError:
            return False
        return True

    def get(self, path: str) -> bytes:
        """One request of our own."""
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            body: bytes = answer.read()
        return body

    def cpu(self) -> float:
        """Seconds of CPU until now, children included."""
        return tree_cpu(self.process.pid)

    def rss(self) -> float:
        """Resident megabytes, children included."""
        return tree_rss(self.process.pid)

    def stop(self) -> None:
        """End it as Ctrl-C does, so that every variant has the chance to flush."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
