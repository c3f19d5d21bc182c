"""The example shop as the demo runs it: web process and Celery worker, under `opentelemetry-instrument`."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from otel_distro.cli.terminal import CommandError

if TYPE_CHECKING:
    from types import TracebackType

START_SECONDS = 60.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.1
TAIL_LINES = 15
METRIC_INTERVAL_MS = 1000


def examples() -> Path:
    """Return the folder `examples/` of the source checkout, or raise CommandError."""
    folder = Path(__file__).resolve().parents[2] / "examples"
    if not (folder / "shop" / "main.py").is_file():
        message = "the demo needs examples/shop, which only the source checkout has: run it there (`make demo`)"
        raise CommandError(message)
    return folder


class Shop:
    """The shop's two processes; a context manager that ends them."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        """Keep the working folder and where telemetry goes."""
        self._folder = folder
        self._endpoint = endpoint
        self._port = _free_port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        """Where the shop answers."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Shop:
        """Start both processes and wait until the web process listens."""
        try:
            self._start("shop", "uvicorn", "shop.main:app", "--port", str(self._port))
            self._start(
                "shop-worker",
                "celery",
                "-A",
                "shop.worker",
                "worker",
                "--loglevel",
                "INFO",
                "--concurrency",
                "2",
            )
            self._wait_until_listening()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """End both processes."""
        self.stop()

    def stop(self) -> None:
        """Send SIGTERM, wait, and kill what is left."""
        for process in self._processes.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in self._processes.values():
            _end(process, max(0.1, deadline - time.monotonic()))

    def check(self) -> None:
        """Raise CommandError when a process has ended by itself."""
        for name, process in self._processes.items():
            code = process.poll()
            if code is not None:
                lines = self._output(name).read_text(errors="replace").splitlines()[-TAIL_LINES:]
                sys.stderr.writelines(f"  {line}\n" for line in lines)
                message = f"the demo's {name} process ended with code {code}; its last lines are above"
                raise CommandError(message, 1)

    def _start(self, service: str, *command: str) -> None:
        with self._output(service).open("wb") as output:
            self._processes[service] = subprocess.Popen(  # noqa: S603 - our own programs, arguments are constants
                [_script("opentelemetry-instrument"), *command],
                cwd=examples(),
                env=self._environment(service),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is the demo's, which then ends them in order
            )

    def _output(self, service: str) -> Path:
        return self._folder / f"{service}.log"

    def _environment(self, service: str) -> dict[str, str]:
        # The demo shows the defaults: what the user has set for another app must not change them.
        inherited = {
            name: value
            for name, value in os.environ.items()  # noqa: TID251 - handed on to a child, not read
            if not name.startswith(("OTEL_", "SHOP_", "LOG_LEVEL"))
        }
        return inherited | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)]),
            "OTEL_SERVICE_NAME": service,
            "OTEL_EXPORTER_OTLP_ENDPOINT": self._endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_METRIC_EXPORT_INTERVAL": str(METRIC_INTERVAL_MS),
            "SHOP_DATA_DIR": str(self._folder),
        }

    def _wait_until_listening(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check()
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
            except OSError:
                time.sleep(POLL_SECONDS)
            else:
                return
        message = f"the shop did not listen within {START_SECONDS:.0f} s"
        raise CommandError(message, 1)


def _end(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _script(name: str) -> str:
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        message = f"{name} is not installed: pip install 'otel-distro[demo]'"
        raise CommandError(message)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
