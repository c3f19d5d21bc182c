"""Run the shop's programs as real processes, and wait for what they do."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shop.traffic import Customer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLES = Path(__file__).parents[2] / "examples"
PATIENCE = 60  # seconds; reached only when something is broken
UVICORN = ("uvicorn", "shop.main:app", "--host", "127.0.0.1", "--port", "0")
PYTHON = (sys.executable, "-m")
INSTRUMENTED = (str(Path(sys.executable).with_name("opentelemetry-instrument")), *PYTHON)
WORKER = ("celery", "-A", "shop.worker", "worker", "--pool", "solo")


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """Wait until the condition holds, and give its value."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE} s"
        time.sleep(0.02)
    return value


class Program:
    """A running process and the file its output goes to."""

    def __init__(self, arguments: tuple[str, ...], data_dir: Path, log: Path, **environment: str) -> None:
        """Run it by `python -m`, or with OTEL_ variables given under `opentelemetry-instrument`."""
        self.log = log
        command = INSTRUMENTED if any(name.startswith("OTEL_") for name in environment) else PYTHON
        own = ("OTEL_", "SHOP_", "PYTHONPATH", "STRIPE_", "LIVEKIT_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, *arguments],
                cwd=EXAMPLES,
                env=inherited | {"SHOP_DATA_DIR": str(data_dir)} | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def said(self, pattern: str) -> re.Match[str] | None:
        """Find the pattern in the output so far."""
        assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log.read_text()}"
        return re.search(pattern, self.log.read_text())

    def base_url(self) -> str:
        """Give the address uvicorn listens on, once it does."""
        return str(wait_for(lambda: self.said(r"running on (http://\S+)"), "the start of uvicorn")[1])

    def stop(self) -> int:
        """Ask the process to end and give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def running(arguments: tuple[str, ...], data_dir: Path, name: str, **environment: str) -> Iterator[Program]:
    """Run a program of the shop for as long as the block."""
    program = Program(arguments, data_dir, data_dir.parent / f"{name}.log", **environment)
    try:
        yield program
    finally:
        if program.process.poll() is None:
            program.process.kill()
            program.process.wait()


def rows(data_dir: Path, query: str, *values: object) -> list[Any]:
    """Read the SQLite database in that folder."""
    with closing(sqlite3.connect(data_dir / "shop.db", timeout=PATIENCE)) as database:
        return database.execute(query, values).fetchall()


class Shop:
    """The running shop: its two processes, a customer and its database."""

    def __init__(self, web: Program, worker: Program, data_dir: Path) -> None:
        self.web = web
        self.worker = worker
        self.data_dir = data_dir
        self.url = web.base_url()
        self.customer = Customer(self.url)

    def rows(self, query: str, *values: object) -> list[Any]:
        """Read the shop's database behind its back."""
        return rows(self.data_dir, query, *values)
