"""Fail open: a fault in any function of ours that runs within the app's calls is not seen by the app.

The functions are found by looking at a run of the reference app (`faults/`), so none is forgotten.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.behaviour.faults.exempt import SOMETIMES, STANDS_IN
from tests.instrumented import PROGRAMS, environment

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "tests.behaviour.faults")
CAPTURE = {
    f"OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_{side}_{part}": "content-type,user-agent"
    for side in ("SERVER", "CLIENT")
    for part in ("REQUEST", "RESPONSE")
}
ENVIRONMENT = {
    **CAPTURE,
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",  # the discard port: a collector that is down
    "OTEL_PYTHON_EXCLUDED_URLS": "/excluded",
    "OTEL_DISTRO_LOG_FORMAT": "json",
    "OTEL_DISTRO_SLOW_QUERY_MS": "0",
}
LEAST = 250
"""So many functions of ours, and of OpenTelemetry's that they call, run within the app; fewer were not looked for."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What was seen of a fault in each place, compared with the app without us."""
    folder = tmp_path_factory.mktemp("faults")
    expected, result = folder / "expected.json", folder / "result.jsonl"
    _run(folder / "plain.log", *PROGRAM, "plain", expected)
    instrumented = (PROGRAMS / "opentelemetry-instrument", *PROGRAM, "inject", result, expected)
    _run(folder / "inject.log", *instrumented, OTEL_DISTRO_CACHE_DIR=str(folder), **ENVIRONMENT)
    return [json.loads(line) for line in result.read_text("utf-8").splitlines()]


def _run(log: Path, *arguments: Any, **environ: str) -> None:
    with log.open("wb") as output:
        done = subprocess.run(
            arguments,
            cwd=ROOT,
            env=environment(**environ),
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=280,
            check=False,
        )
    assert done.returncode == 0, log.read_text("utf-8", "replace")[-3000:]


def test_no_fault_of_ours_is_seen(found: list[dict[str, Any]]) -> None:
    """Answers, exceptions, task results and lines of the app's own handlers are the same whatever of ours raises."""
    assert len(found) > LEAST
    assert {one["place"]: one["differs"] for one in found if one["differs"]} == {}


def test_each_fault_came_up(found: list[dict[str, Any]]) -> None:
    """Nearly each function did raise; a few run only for the first record of a process, and are not asked again."""
    silent = [one["place"] for one in found if one.get("raised") == 0 and one["place"] not in STANDS_IN]
    assert len(silent) < len(found) / 20, "\n".join(silent)


def test_what_stands_in_is_called_from_outside(found: list[dict[str, Any]]) -> None:
    """Where no fault can be put, the app or a library of its calls ours; and each such place is one that runs."""
    entered = {one["place"] for one in found if one.get("entered")}
    assert {place for place in STANDS_IN if place.startswith("otel_distro.")} - entered <= SOMETIMES


def test_telemetry_goes_on_after_all_faults(found: list[dict[str, Any]]) -> None:
    """Nothing stays broken: the same steps give as many spans and lines after all faults as before."""
    before, after = found[0], found[-1]
    assert (before["place"], after["place"]) == ("before", "after")
    assert after["taken"] == before["taken"]
    assert before["taken"]["traces"] > 0
