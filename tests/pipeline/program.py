"""Small programs with a pipeline in them, run as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.exporter.server import Receiver

START = """
import os, signal, sys, threading, time, warnings
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)  # Python 3.12's, at a fork
from otel_distro import config
from otel_distro.assembly import start
from opentelemetry import metrics, trace
pipeline = start(config.current())
tracer = trace.get_tracer("app")
orders = metrics.get_meter("app").create_counter("orders")

def span(name):
    tracer.start_span(name).end()
"""


def environment(server: Receiver, folder: Path, **more: str) -> dict[str, str]:
    """Everything goes to this server; state is kept in this folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTEST_", "COV_"))}
    own = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
        "OTEL_SERVICE_NAME": "program",
        "OTEL_DISTRO_CACHE_DIR": str(folder),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    return kept | own | more


@contextmanager
def started(text: str, environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The program after `START`; what is left of it at the end is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", START + text], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ready(process: subprocess.Popen[str]) -> str:
    """The first line that the program prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def ended(text: str, environ: dict[str, str], timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """The program's end: it comes within the timeout."""
    command = [sys.executable, "-c", START + text]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=timeout)


def by_instance(server: Receiver, signal: str, field: str) -> dict[str, list[str]]:
    """Names of what came, in order, by `service.instance.id`."""
    found: dict[str, list[str]] = {}
    for resource, scope in server.scopes(signal):
        ids = [pair.value.string_value for pair in resource.attributes if pair.key == "service.instance.id"]
        found.setdefault(ids[0], []).extend(item.name for item in getattr(scope, field))
    return found
