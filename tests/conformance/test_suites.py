"""Ours in upstream's place passes upstream's own tests, but for what is listed with the deviation that explains it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tests.conformance.comparison import Comparison, compare
from tests.conformance.deviation import DEVIATIONS
from tests.conformance.listing import HERE, UNSTEADY, listed
from tests.conformance.run import environment, interpreter
from tests.conformance.source import ROOT
from tests.conformance.suites import SUITES, Suite
from tests.conftest import TRIED_AGAIN

MARKS = {True: pytest.mark.conformance, False: pytest.mark.integration}
EACH = [pytest.param(suite, marks=MARKS[suite.heavy], id=suite.name) for suite in SUITES]


@pytest.fixture(scope="module", params=EACH)
def compared(request: pytest.FixtureRequest) -> Comparison:
    """One suite's outcomes."""
    return compare(request.param)


@pytest.fixture(scope="module")
def page() -> str:
    """The page for users."""
    return (ROOT / "docs" / "conformance.md").read_text("utf-8")


def test_the_whole_suite_runs(compared: Comparison, record_property: Callable[[str, object], None]) -> None:
    """Both runs have the same tests, and as many as the suite should have; upstream passes what it does not skip."""
    for name, why in compared.tried_again.items():
        record_property(TRIED_AGAIN, f"{compared.suite.name}: {name}: {why}")  # said at the end of the run
    assert compared.run >= compared.suite.at_least
    assert compared.failed == set()


def test_what_differs_is_listed(compared: Comparison) -> None:
    """No test ends otherwise under ours, or otherwise than it did when its deviation was named."""
    known = compared.listed
    assert {name: one for name, one in compared.differing.items() if known.get(name) != one} == {}


def test_what_is_listed_differs(compared: Comparison) -> None:
    """A listed test that ends as upstream's again is taken off the list."""
    steady = [name for name, one in compared.listed.items() if one.deviation != UNSTEADY]
    assert [name for name in steady if name not in compared.differing] == []


def test_few_tests_differ(compared: Comparison) -> None:
    """Of the SDK's suites at most one test in twenty may differ."""
    assert len(compared.differing) <= compared.suite.share * compared.run


def test_the_page_has_the_figures(compared: Comparison, page: str) -> None:
    """The page for users says how many tests ran, and how many differ by which deviation."""
    assert compared.row in page.splitlines()


@pytest.mark.parametrize("suite", EACH)
@pytest.mark.parametrize("ours", [False, True])
def test_the_suite_meets_what_it_should(suite: Suite, ours: bool) -> None:
    """Ours stands in upstream's place in every interpreter of the suite, and only there."""
    command = [*interpreter(suite, ours=ours), "-c", f"{suite.proof}\nprint(it)"]
    answer = subprocess.run(
        command, env=environment(suite, ours=ours), capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.splitlines()[-1].startswith("otel_distro.") is ours


def test_every_deviation_is_named_and_explained(page: str) -> None:
    """Each list belongs to a suite and uses named deviations only; the page explains them all, in the same words.

    Behind each but chance stands a recorded decision.
    """
    assert {path.stem for path in HERE.glob("*.txt")} <= {suite.name for suite in SUITES}
    decisions = (ROOT / "docs" / "decisions" / "0003-departures-from-upstream.md").read_text("utf-8")
    assert [name for name in DEVIATIONS if name != UNSTEADY and f"`{name}`" not in decisions] == []
    used = {one.deviation for suite in SUITES for one in listed(suite.name).values()}
    assert used == set(DEVIATIONS)
    assert [name for name, text in DEVIATIONS.items() if f"- **{name}**: {text}" not in page] == []
