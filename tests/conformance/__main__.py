"""`python -m tests.conformance [SUITE...]`: run suites both ways and show what is not as listed.

`--write` brings the lists up to date. A test that is new on a list stands under `[]`, until somebody
has read how it fails and named the deviation.
"""

from __future__ import annotations

import sys

from tests.conformance.comparison import compare
from tests.conformance.listing import UNSTEADY, write
from tests.conformance.suites import SUITES


def main(arguments: list[str]) -> None:
    """Print the row of each suite and what differs from its list."""
    named = [argument for argument in arguments if not argument.startswith("-")]
    for suite in [suite for suite in SUITES if suite.name in named or not named]:
        found = compare(suite)
        differing, known = found.differing, found.listed
        _say(found.row)
        for name, difference in differing.items():
            if known.get(name) != difference:
                _say(f"  {name}\n      {known.get(name)}\n      {difference.said}")
        for name, difference in known.items():
            if name not in differing and difference.deviation != UNSTEADY:
                _say(f"  {name}\n      does not differ any more")
        if "--write" in arguments:
            unsteady = {name: one for name, one in known.items() if one.deviation == UNSTEADY}
            write(suite.name, differing | unsteady)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


main(sys.argv[1:])
