"""Importing does nothing: each claim is checked in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.sources import ROOT

OPTIONAL = (
    "aiohttp",
    "celery",
    "fastapi",
    "google.protobuf",
    "grpc",
    "h2",
    "httpx",
    "kombu",
    "loguru",
    "prometheus_client",
    "requests",
    "sqlalchemy",
    "starlette",
    "structlog",
    "uvicorn",
)
PROGRAM = """
import importlib.util, json, logging, os, pkgutil, signal, sys, threading
import opentelemetry.instrumentation.instrumentor, wrapt  # whatever these do is theirs
try:
    import exceptiongroup  # anyio's backport for Python 3.10: it sets sys.excepthook
except ImportError:
    pass
from opentelemetry import metrics, propagate, trace

def world():
    return {
        "environment": dict(os.environ),
        "threads": [thread.name for thread in threading.enumerate()],
        "signals": [str(signal.getsignal(number)) for number in signal.valid_signals()],
        "handlers": [str(logging.root.handlers), logging.root.level, str(logging.getLoggerClass())],
        "exception hooks": [str(sys.excepthook), str(threading.excepthook)],
        "tracing": type(trace.get_tracer_provider()).__name__,
        "metrics": type(metrics.get_meter_provider()).__name__,
        "propagator": str(propagate.get_global_textmap()),
        "finders": [str(finder) for finder in sys.meta_path],
    }

name, deep, optional = json.loads(sys.argv[1])
if deep and importlib.util.find_spec("exceptiongroup"):
    import exceptiongroup  # on Python 3.10 it patches `traceback` and the hooks; anyio brings it
before = world()
module = importlib.import_module(name)
if deep:
    for found in pkgutil.walk_packages(module.__path__, name + "."):
        importlib.import_module(found.name)
after = world()
changed = [key for key in before if before[key] != after[key]]
print(json.dumps({"changed": changed, "loaded": sorted(set(sys.modules) & set(optional))}))
"""


def imported(name: str, *, deep: bool = False) -> dict[str, list[str]]:
    """What importing this (deep: and all below it) has changed and loaded in a fresh interpreter."""
    command = [sys.executable, "-c", PROGRAM, json.dumps([name, deep, OPTIONAL])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    "name", ["otel_distro", *(f"otel_distro.{room}" for room in ("cli", "configurator", "distro"))]
)
def test_no_optional_library_is_needed(name: str) -> None:
    """The package, its two SDK entry points and its command line load no optional library."""
    assert imported(name)["loaded"] == []


def test_importing_everything_changes_nothing() -> None:
    """No module patches, sets a global, starts a thread or writes the environment when it is imported."""
    assert imported("otel_distro", deep=True)["changed"] == []


HEAVY = (
    "asyncio",
    "dataclasses",
    "email",
    "hashlib",
    "http.client",
    "importlib.metadata",
    "inspect",
    "json",
    "logging",
    "opentelemetry",
    "pathlib",
    "secrets",
    "socket",
    "ssl",
    "subprocess",
    "urllib.parse",
)
"""What takes milliseconds to import; an application that uses it pays for it, whoever is first."""
LATER = (
    "gzip",
    "opentelemetry.exporter",
    "opentelemetry.instrumentation.fastapi",
    "opentelemetry.instrumentation.sqlalchemy",
    "opentelemetry.proto",
    "opentelemetry.sdk._configuration",
    "opentelemetry.sdk._logs.export",
    "opentelemetry.sdk.trace.export",
    "otel_distro.cli",
    "otel_distro.viewer",
)
"""What only some processes need once they run."""


def loaded(program: str) -> set[str]:
    """The modules that this program loads in a fresh interpreter, besides those that every program loads."""
    wrapped = f"import sys\nbefore = set(sys.modules)\n{program}\nprint(*sorted(set(sys.modules) - before))"
    command = [sys.executable, "-c", wrapped]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_the_public_names_cost_few_modules() -> None:
    """An application that binds a user to its requests imports a handful of ours, and nothing heavy of others."""
    found = loaded("from otel_distro import bind, request_id\nbind(tier='paid')\nassert request_id() is None")
    assert found & set(HEAVY) == set()
    assert len([name for name in found if name.startswith("otel_distro")]) <= 9
    assert len(found) <= 50, sorted(found)


def test_starting_loads_no_more_than_it_needs() -> None:
    """Under `opentelemetry-instrument` an app that does nothing has no exporters of others and no optional library."""
    found = loaded("from opentelemetry.instrumentation.auto_instrumentation import initialize\ninitialize()")
    assert {"otel_distro.pipeline", "opentelemetry.sdk.trace"} <= found
    assert found & {*LATER, *OPTIONAL} == set()
    assert len([name for name in found if name.startswith("otel_distro")]) <= 145
