"""Fail open at the end, too: a fault in any function of ours that runs as a process ends changes nothing of its end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.instrumented import environment
from tests.sources import ROOT

pytestmark = pytest.mark.reliability

ENVIRONMENT = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",  # the discard port: a collector that is down
    "OTEL_DISTRO_SHUTDOWN_TIMEOUT": "0.5",
}
WAYS = {"os._exit", "sys.exit", "SIGTERM", "SIGINT, reset", "exec", "fork", "supervisor"}
LEAST = 200
"""So many functions run as processes end; fewer were not looked for."""


def test_no_fault_of_ours_changes_an_end(tmp_path: Path) -> None:
    """Exits by code and by signal, `exec`, forks, and what makes a process a supervisor, as without a fault."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.behaviour.faults.ends"],
        cwd=ROOT,
        env=environment(OTEL_DISTRO_CACHE_DIR=str(tmp_path), **ENVIRONMENT),
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {one["way"] for one in found} == WAYS
    assert len(found) > LEAST
    assert [one for one in found if one["ended"] != one["expected"]] == []
    silent = [one for one in found if not one["raised"]]
    assert len(silent) < len(found) / 10, silent
