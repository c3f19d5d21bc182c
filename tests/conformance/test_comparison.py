"""The comparison notices what it should, without running a suite."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.conformance import listing
from tests.conformance.comparison import BLIND, Comparison
from tests.conformance.listing import Difference, listed, write
from tests.conformance.run import Outcome
from tests.conformance.suites import SUITES
from tests.conftest import TRIED_AGAIN, pytest_terminal_summary

PASSED, FAILED = Outcome("passed"), Outcome("failed", "AssertionError: 1 != 2")
SEEING = Outcome("passed", metrics=4)
KNOWN = Difference("current-names", "AssertionError: 1 != 2")


def compared(theirs: Outcome, ours: Outcome, known: Difference | None = None) -> Comparison:
    return Comparison(SUITES[0], {"a::test": theirs}, {"a::test": ours}, {"a::test": known} if known else {})


@pytest.mark.parametrize(
    ("found", "surprising"),
    [
        (compared(PASSED, PASSED), False),
        (compared(PASSED, FAILED, KNOWN), False),
        (compared(PASSED, FAILED), True),
        (compared(PASSED, FAILED, Difference("current-names", "KeyError: 'x'")), True),
        (compared(PASSED, PASSED, KNOWN), True),
        (compared(FAILED, FAILED), True),
        (compared(FAILED, PASSED), True),
        (compared(PASSED, FAILED, Difference("unsteady", "by chance")), False),
        (compared(SEEING, PASSED), True),
        (compared(SEEING, PASSED, Difference("derived-metrics", BLIND)), False),
        (compared(SEEING, SEEING), False),
        (compared(PASSED, SEEING), False),
    ],
    ids=[
        *("same", "listed", "new", "otherwise", "no longer", "upstream fails", "ours passes alone", "unsteady"),
        *("blind", "listed as blind", "both see metrics", "ours sees more"),
    ],
)
def test_surprises(found: Comparison, surprising: bool) -> None:
    """A new difference, a listed one that ends otherwise or as upstream's, and a failure of upstream's are surprises.

    So is a test that passes because it finds no metric where it finds some under upstream's.
    """
    assert bool(found.surprising) is surprising


@pytest.mark.parametrize(
    ("found", "doubtful"),
    [
        (compared(FAILED, FAILED), True),
        (compared(FAILED, PASSED), True),
        (compared(PASSED, Outcome("failed", "AssertionError: no message after 5 seconds")), True),
        (compared(PASSED, FAILED, Difference("current-names", "AssertionError: 'run a' != 'run/a'")), True),
        (compared(PASSED, FAILED), False),
        (compared(PASSED, PASSED, KNOWN), False),
        (compared(FAILED, FAILED, Difference("unsteady", "by chance")), False),
    ],
    ids=["fails in both", "fails in theirs", "gave up waiting", "otherwise", "fails in ours", "no longer", "unsteady"],
)
def test_only_what_says_nothing_of_ours_has_another_try(found: Comparison, doubtful: bool) -> None:
    """What fails under ours alone may be a race of ours, and stays failed."""
    assert bool(found.doubtful) is doubtful


def test_what_is_unsteady_is_not_counted() -> None:
    """The figures are of what was compared."""
    both = {"a::test": PASSED, "b::chance": FAILED}
    found = Comparison(SUITES[0], both, both, {"b::chance": Difference("unsteady", "by chance")})
    assert found.row == "| sdk-trace | 1 | 1 | 0 | - |"


def test_a_run_says_what_had_another_try() -> None:
    """At its end, once, although it is green; other properties are none of this."""
    lines: list[str] = []
    report = SimpleNamespace(user_properties=[(TRIED_AGAIN, "sdk-trace: a::test: timed out"), ("other", 1)])
    stats = {"passed": [report], "": [report, SimpleNamespace()]}
    pytest_terminal_summary(SimpleNamespace(stats=stats, write_line=lines.append))  # type: ignore[arg-type]
    assert lines == ["tried again: sdk-trace: a::test: timed out"]


def test_a_list_is_read_as_it_was_written(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deviation, test and what it says come back, whatever their order."""
    monkeypatch.setattr(listing, "HERE", tmp_path)
    lists = {"b::test": KNOWN, "a::test": KNOWN, "c::test[x y]": Difference("unsteady", "")}
    write("some", lists)
    assert listed("some") == lists
