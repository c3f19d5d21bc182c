"""A script under the plain `opentelemetry-instrument` command, as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.exporter.server import Receiver

PROGRAMS = Path(sys.executable).parent
SCRIPT = """
import logging
from opentelemetry import metrics, trace
print("the app's output", flush=True)
with trace.get_tracer("app").start_as_current_span("outer", attributes={"a": 1, "b": 2, "long": "x" * 50}):
    with trace.get_tracer("app").start_as_current_span("inner"):
        logging.getLogger("app").warning("the app's line")
metrics.get_meter("app").create_counter("orders").add(2)
"""
NOTHING = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}


class Outcome:
    """What the script's process left behind."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr
        self.lines = (done.stdout + done.stderr).splitlines()

    def about(self, text: str) -> list[str]:
        """Lines on either stream that contain this."""
        return [line for line in self.lines if text in line]

    @property
    def fine(self) -> bool:
        """The app ran to its end and printed what it prints."""
        return self.code == 0 and "the app's output" in self.out and bool(self.about("the app's line"))


def environment(**more: str) -> dict[str, str]:
    """The tests' own environment without OpenTelemetry's variables, and these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTEST_", "COV_"))}
    return kept | more


def instrumented(script: str = SCRIPT, server: Receiver | None = None, *, command: bool = True, **more: str) -> Outcome:
    """Run the script; without a server nothing is exported unless the variables say so; `command`: or plain python."""
    prefix = [PROGRAMS / "opentelemetry-instrument"] if command else []
    arguments = [*prefix, sys.executable, "-c", script]
    with TemporaryDirectory() as folder:
        own = {"OTEL_DISTRO_SPOOL_DIR": folder} | ({"OTEL_EXPORTER_OTLP_ENDPOINT": server.url} if server else NOTHING)
        environ = environment(**own | more)
        return Outcome(
            subprocess.run(
                arguments, env=environ, capture_output=True, text=True, check=False, timeout=60, cwd=PROGRAMS
            )
        )
