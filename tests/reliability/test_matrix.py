"""Whatever way a process ends in, what its application did has arrived: each item once, in all three signals."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.case import Case, long, short
from tests.reliability.cases import LONG, SHORT
from tests.reliability.ledger import Outcome
from tests.reliability.station import Station
from tests.reliability.trial import Trial


@pytest.mark.parametrize("case", [*map(short, SHORT), *map(long, LONG)])
def test_everything_arrives_once(
    case: Case, station: Station, broker: str, tmp_path: Path, seed: int, matrix: list[Outcome]
) -> None:
    """Spans, lines and counts of all items, from the processes that did them, which end as they end without us."""
    trial = Trial(case, station, tmp_path, broker, seed)
    matrix.append(trial.outcome)
    trial.run()
    assert trial.outcome.problems == []


@pytest.mark.reliability
@pytest.mark.parametrize("case", [*SHORT, *LONG], ids=lambda case: case.name)
def test_the_exit_code_is_the_program_s_own(
    case: Case, station: Station, broker: str, tmp_path: Path, seed: int
) -> None:
    """The same programs end with the same codes without us."""
    Trial(case, station, tmp_path, broker, seed, bare=True).end()
