"""A suite's outcomes under upstream's and under ours, side by side."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.conformance.listing import UNSTEADY, Difference, listed
from tests.conformance.run import Outcome, outcomes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conformance.suites import Suite


_FEW = 40
_TRIES = 3


@dataclass(frozen=True)
class Comparison:
    """Both outcomes of every test, and what is listed as differing."""

    suite: Suite
    theirs: dict[str, Outcome]
    ours: dict[str, Outcome]
    listed: dict[str, Difference]

    @property
    def differing(self) -> dict[str, Difference]:
        """What differs, with the listed deviation (none: an empty one), and how it ends under ours."""
        unsteady = tuple(name for name, difference in self.listed.items() if difference.deviation == UNSTEADY)
        return {
            name: Difference(known.deviation if (known := self.listed.get(name)) else "", outcome.said or outcome.kind)
            for name, outcome in self.ours.items()
            if outcome.kind != self.theirs[name].kind and not name.startswith(unsteady)
        }

    @property
    def surprising(self) -> set[str]:
        """What fails under upstream's, differs and is not listed so, or is listed and does not differ."""
        differing = self.differing
        known = {name: one for name, one in self.listed.items() if one.deviation != UNSTEADY}
        failed = {name for name, outcome in self.theirs.items() if outcome.kind == "failed"}
        names = differing.keys() | known.keys()
        return failed | {name for name in names if differing.get(name) != known.get(name)}

    @property
    def run(self) -> int:
        """How many tests ran under upstream's; the others are skipped by either."""
        return sum(outcome.kind != "skipped" for outcome in self.theirs.values())

    @property
    def row(self) -> str:
        """The suite's row in the table of docs/conformance.md."""
        differing = self.differing
        counted = Counter(difference.deviation for difference in differing.values())
        named = ", ".join(f"{deviation} {count}" for deviation, count in sorted(counted.items()))
        same = self.run - len(differing)
        return f"| {self.suite.name} | {self.run} | {same} | {len(differing)} | {named or '-'} |"


def compare(suite: Suite) -> Comparison:
    """Run the suite both ways. What ends otherwise than it should is tried again: busy machines are slow."""
    found = Comparison(suite, outcomes(suite, ours=False), outcomes(suite, ours=True), listed(suite.name))
    for _ in range(_TRIES):
        doubtful = [name for name in found.surprising if name in found.ours]
        if not 0 < len(doubtful) <= _FEW:
            break
        _try_again(found, doubtful)
    return found


def _try_again(found: Comparison, doubtful: Sequence[str]) -> None:
    """Take over how these end now, where that is as it should be."""
    nodes = [found.ours[name].node for name in doubtful]
    theirs, ours = outcomes(found.suite, ours=False, only=nodes), outcomes(found.suite, ours=True, only=nodes)
    again = Comparison(found.suite, found.theirs | theirs, found.ours | ours, found.listed)
    settled = [name for name in doubtful if name not in again.surprising]
    found.theirs.update({name: theirs[name] for name in settled})
    found.ours.update({name: ours[name] for name in settled})
