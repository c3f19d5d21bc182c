"""Our provider passes the SDK's own trace tests; what differs is listed with its reason."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conformance.differences import DIFFERENCES, UNSTEADY
from tests.conformance.suite import ROOT, environment, outcomes

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def differing() -> dict[str, tuple[str, str]]:
    """By test id: how it ended under upstream's provider and under ours, where that is not the same."""
    theirs, ours = outcomes(ours=False), outcomes(ours=True)
    assert len(theirs) > 200
    assert theirs.keys() == ours.keys()
    found = {name: (theirs[name], ours[name]) for name in theirs if theirs[name] != ours[name]}
    return {name: pair for name, pair in found.items() if not name.startswith(tuple(UNSTEADY))}


def test_what_differs_is_listed(differing: dict[str, tuple[str, str]]) -> None:
    """No test of upstream's ends otherwise under our provider, but for those listed with a reason."""
    assert {name: pair for name, pair in differing.items() if name not in DIFFERENCES} == {}


def test_what_is_listed_differs(differing: dict[str, tuple[str, str]]) -> None:
    """A listed test that ends as upstream's again is taken off the list."""
    assert [name for name in DIFFERENCES if name not in differing] == []


@pytest.mark.parametrize(
    ("ours", "module"), [(False, "opentelemetry.sdk.trace"), (True, "otel_distro.pipeline.tracer")]
)
def test_the_suite_meets_the_provider_it_should(ours: bool, module: str) -> None:
    """The replacement is in force in every interpreter of the suite, and only there."""
    program = "from opentelemetry.sdk import trace; print(trace.TracerProvider.__module__)"
    command = [sys.executable, "-c", program]
    answer = subprocess.run(command, env=environment(ours=ours), capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == module


def test_every_difference_is_documented() -> None:
    """The page for users names the same tests."""
    page = (ROOT / "docs" / "conformance.md").read_text("utf-8")
    assert [name for name in (*DIFFERENCES, *UNSTEADY) if name not in page] == []
