"""One run of a suite in an interpreter of its own, with upstream's classes or with ours in their place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

from tests.conformance.source import ROOT, libraries_of, tests_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.conformance.suites import Suite

REPLACEMENT = Path(__file__).parent / "replacement"
PLUGIN = Path(__file__).parent / "plugin"
LONGEST = 110
_KINDS = ("skipped", "passed", "failed")
_FLEETING = re.compile(r"0x[0-9a-f]+|[0-9a-f]{12,}|id='\d+'|\d{5,}|\d+\.\d{3,}")
"""What is another in each run: addresses, ids, times."""
_OPTIONS = (
    *("-q", "-c", os.devnull, "-o", "junit_family=xunit1", "--tb=no"),  # the report has what a failure says
    *("-p", "looked_at"),
    *("-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:hypothesispytest"),
)
_PROGRAMS = Path(sys.executable).parent


class Outcome(NamedTuple):
    """How a test ended: `failed`, `passed` or `skipped`; the beginning of what it said; where pytest finds it."""

    kind: str
    said: str = ""
    node: str = ""
    metrics: int = 0
    """How many metrics it looked at."""


def outcomes(suite: Suite, *, ours: bool, only: Sequence[str] = ()) -> dict[str, Outcome]:
    """How each test of the suite ended, or each of these nodes, by its id."""
    folder = tests_of(suite)
    with TemporaryDirectory() as scratch:
        report = Path(scratch, "report.xml")
        command = [*interpreter(suite, ours=ours), "-m", "pytest", *_OPTIONS]
        command += [f"--rootdir={folder}", f"--junitxml={report}", *(only or suite.tests)]
        environ = environment(suite, ours=ours)
        run = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=600)
        assert report.exists(), run.stdout + run.stderr
        return _worst(ET.parse(report).getroot().iter("testcase"))


def interpreter(suite: Suite, *, ours: bool) -> list[str]:
    """The command that starts the suite's interpreter."""
    return [*([str(_PROGRAMS / "opentelemetry-instrument")] if ours and suite.instrumented else []), sys.executable]


def environment(suite: Suite, *, ours: bool) -> dict[str, str]:
    """The environment in which the suite runs, and what it starts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTEST_", "COV_"))}
    kept["PYTHONHASHSEED"] = "0"  # the order of sets is in what tests say
    paths = [str(PLUGIN), str(libraries_of(suite)), str(ROOT)]
    if ours and suite.instrumented:
        kept |= {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}
        kept["OTEL_DISTRO_BAGGAGE_HOSTS"] = "*"  # as upstream: the API's suite injects without naming a host
    elif ours:
        kept["CONFORMANCE_STANDS_IN"] = ",".join(suite.stands_in)
        paths.insert(0, str(REPLACEMENT))
    return kept | {"PYTHONPATH": os.pathsep.join(paths), "PATH": f"{_PROGRAMS}{os.pathsep}{os.environ['PATH']}"}


def _worst(cases: Iterable[ET.Element]) -> dict[str, Outcome]:
    """By id; subtests go by the id of their test."""
    found: dict[str, Outcome] = {}
    for case in cases:
        name, outcome = f"{case.get('classname')}::{case.get('name')}", _outcome(case)
        known = found.get(name)
        if known is None or _KINDS.index(known.kind) < _KINDS.index(outcome.kind):
            found[name] = outcome
    return found


def _outcome(case: ET.Element) -> Outcome:
    kind, said = "passed", ""
    for child in case:
        if child.tag in {"failure", "error"}:
            kind, said = "failed", child.get("message") or child.text or ""
            break
        if child.tag == "skipped":
            kind, said = "skipped", child.get("message") or ""
    metrics = case.find("properties/property[@name='metrics']")
    return Outcome(kind, _beginning(said), _node(case), 0 if metrics is None else int(metrics.get("value", 0)))


def _node(case: ET.Element) -> str:
    file, owner = case.get("file", ""), case.get("classname", "")
    inside = owner.removeprefix(file.removesuffix(".py").replace("/", ".")).strip(".").split(".")
    return "::".join([file, *filter(None, inside), case.get("name", "")])


def _beginning(message: str) -> str:
    line = next((line for line in message.splitlines() if line.strip()), "")
    return _FLEETING.sub("~", " ".join(line.split()))[:LONGEST].rstrip()
