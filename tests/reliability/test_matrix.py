"""Whatever way a process ends in, what its application did has arrived: each item once, in all three signals."""

from __future__ import annotations

import pytest

from tests.reliability.case import Case, long, short
from tests.reliability.cases import LONG, SHORT
from tests.reliability.trial import Trial, Venue


@pytest.mark.parametrize("case", [*map(short, SHORT), *map(long, LONG)])
def test_everything_arrives_once(case: Case, venue: Venue) -> None:
    """Spans, lines and counts of all items, from the processes that did them, which end as they end without us."""
    trial = Trial(case, venue)
    trial.run()
    assert trial.outcome.problems == []


@pytest.mark.reliability
@pytest.mark.parametrize("case", [*SHORT, *LONG], ids=lambda case: case.name)
def test_the_exit_code_is_the_program_s_own(case: Case, venue: Venue) -> None:
    """The same programs end with the same codes without us."""
    Trial(case, venue, bare=True).end()
