"""A suite's outcomes under upstream's and under ours, side by side."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.conformance.listing import UNSTEADY, Difference, listed
from tests.conformance.run import Outcome, outcomes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.conformance.suites import Suite


BLIND = "passed, but found none of the metrics that it looks at"
_FEW = 40
_TRIES = 3
_TIMED_OUT = re.compile(
    r"timed out|TimeoutError|TimeoutExpired|after \d+ seconds|unpack \(expected at least \d+, got 0\)"
)
"""The last: the asgi suite takes what has come after no time at all, and unpacks it."""


@dataclass(frozen=True)
class Comparison:
    """Both outcomes of every test, and what is listed as differing."""

    suite: Suite
    theirs: dict[str, Outcome]
    ours: dict[str, Outcome]
    listed: dict[str, Difference]
    tried_again: dict[str, str] = field(default_factory=dict)
    """Tests that had another try, and why."""

    @property
    def steady(self) -> dict[str, Outcome]:
        """All but what is unsteady under upstream's: how it ends there. That alone is compared."""
        unsteady = tuple(name for name, difference in self.listed.items() if difference.deviation == UNSTEADY)
        return {name: outcome for name, outcome in self.theirs.items() if not name.startswith(unsteady)}

    @property
    def run(self) -> int:
        """How many of them run under upstream's; the others are skipped by either."""
        return sum(outcome.kind != "skipped" for outcome in self.steady.values())

    @property
    def failed(self) -> set[str]:
        """What fails under upstream's."""
        return {name for name, outcome in self.steady.items() if outcome.kind == "failed"}

    @property
    def differing(self) -> dict[str, Difference]:
        """What differs, with the listed deviation (none: an empty one), and how it ends under ours."""
        return {
            name: Difference(known.deviation if (known := self.listed.get(name)) else "", said)
            for name, theirs in self.steady.items()
            if (said := _differs(theirs, self.ours[name]))
        }

    @property
    def surprising(self) -> set[str]:
        """What fails under upstream's, differs and is not listed so, or is listed and does not differ."""
        differing = self.differing
        known = {name: one for name, one in self.listed.items() if one.deviation != UNSTEADY}
        names = differing.keys() | known.keys()
        return self.failed | {name for name in names if differing.get(name) != known.get(name)}

    @property
    def doubtful(self) -> dict[str, str]:
        """What deserves another try, and why: it failed under upstream's too, not as listed, or gave up waiting.

        Celery's tests look for spans as soon as there is a result, which comes before the signal of its end.

        What is not listed and fails under ours alone stays so: it may be a race of ours.
        """
        found = dict.fromkeys(self.failed, "failed under upstream's")
        differing = self.differing.keys() & self.listed.keys()
        for name in self.surprising - self.failed:
            if name in differing or _TIMED_OUT.search(self.ours[name].said):
                found[name] = self.ours[name].said
        return found

    @property
    def row(self) -> str:
        """The suite's row in the table of docs/conformance.md."""
        differing = self.differing
        counted = Counter(difference.deviation for difference in differing.values())
        named = ", ".join(f"{deviation} {count}" for deviation, count in sorted(counted.items()))
        same = self.run - len(differing)
        return f"| {self.suite.name} | {self.run} | {same} | {len(differing)} | {named or '-'} |"


def _differs(theirs: Outcome, ours: Outcome) -> str:
    """How it ends under ours, where that is otherwise; a loop over metrics that are not there proves nothing."""
    if ours.kind != theirs.kind:
        return ours.said or ours.kind
    return BLIND if ours.kind == "passed" and theirs.metrics and not ours.metrics else ""


def compare(suite: Suite) -> Comparison:
    """Run the suite both ways; what is doubtful has a few tries more."""
    theirs, ours = outcomes(suite, ours=False), outcomes(suite, ours=True)
    assert theirs.keys() == ours.keys()
    found = Comparison(suite, theirs, ours, listed(suite.name))
    for _ in range(_TRIES):
        doubtful = found.doubtful
        if not 0 < len(doubtful) <= _FEW:
            break
        found.tried_again.update(doubtful)
        _try_again(found, doubtful)
    return found


def _try_again(found: Comparison, doubtful: Iterable[str]) -> None:
    """Take over how these end now, where that is as it should be."""
    nodes = [found.ours[name].node for name in doubtful]
    theirs, ours = outcomes(found.suite, ours=False, only=nodes), outcomes(found.suite, ours=True, only=nodes)
    again = Comparison(found.suite, found.theirs | theirs, found.ours | ours, found.listed)
    settled = [name for name in doubtful if name not in again.surprising]
    found.theirs.update({name: theirs[name] for name in settled})
    found.ours.update({name: ours[name] for name in settled})
