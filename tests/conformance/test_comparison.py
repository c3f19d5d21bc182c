"""The comparison notices what it should, without running a suite."""

from __future__ import annotations

import pytest

from tests.conformance import listing
from tests.conformance.comparison import Comparison
from tests.conformance.listing import Difference, listed, write
from tests.conformance.run import Outcome
from tests.conformance.suites import SUITES

PASSED, FAILED = Outcome("passed"), Outcome("failed", "AssertionError: 1 != 2")
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
    ],
    ids=["same", "listed", "new", "otherwise", "no longer", "upstream fails", "ours passes alone", "unsteady"],
)
def test_surprises(found: Comparison, surprising: bool) -> None:
    """A new difference, a listed one that fails otherwise or not at all, and a failure of upstream's are surprises."""
    assert bool(found.surprising) is surprising


def test_a_list_is_read_as_it_was_written(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deviation, test and what it says come back, whatever their order."""
    monkeypatch.setattr(listing, "HERE", tmp_path)
    lists = {"b::test": KNOWN, "a::test": KNOWN, "c::test[x y]": Difference("unsteady", "")}
    write("some", lists)
    assert listed("some") == lists
