"""The demo, as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND

TIMEOUT_SECONDS = 240
TRAFFIC_SECONDS = "8"
KEYS = ["requests", "traces", "spans", "logs", "metric_points", "correlated_requests", "orphan_logs"]


@pytest.mark.integration
def test_every_request_of_the_demo_is_correlated(tmp_path: Path) -> None:
    """From each response's X-Request-ID: one trace, its spans, its lines, its histogram; no orphan log."""
    store = tmp_path / "demo.db"
    done = subprocess.run(
        [str(COMMAND), "demo", "--once", "--json", "--seconds", TRAFFIC_SECONDS, "--db", str(store)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    counts = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}
    assert list(counts) == KEYS, done.stderr
    assert (counts["correlated_requests"], counts["orphan_logs"]) == (counts["requests"], 0), done.stderr
    assert counts["requests"] >= 24
    assert done.returncode == 0, done.stderr
    assert "POST /checkout" in done.stderr
    assert "run shop.fulfil_order" in done.stderr
    listed = subprocess.run(
        [str(COMMAND), "traces", "--json", "--db", str(store)], capture_output=True, check=True, timeout=60
    )
    assert listed.stdout.count(b"\n") == 20


def test_the_demo_keeps_its_hands_off_an_existing_file(tmp_path: Path) -> None:
    """--db takes a new file only, and that is said before anything is started."""
    store = tmp_path / "mine.db"
    store.write_text("mine")
    done = subprocess.run(
        [str(COMMAND), "demo", "--db", str(store)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (
        2,
        f"otel-distro: {store} exists already: --db takes a new file\n",
    )
    assert store.read_text() == "mine"


def test_a_store_that_cannot_be_kept_is_exit_code_two(tmp_path: Path) -> None:
    """The line names the setting, before anything is started."""
    (tmp_path / "file").touch()
    environment = os.environ | {"OTEL_DISTRO_VIEWER_DB": str(tmp_path / "file" / "viewer.db")}
    done = subprocess.run(
        [str(COMMAND), "demo"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "OTEL_DISTRO_VIEWER_DB" in done.stderr
