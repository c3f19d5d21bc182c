"""The matrix of the last run: `build/reliability.json`, and by `python -m tests.reliability.table` the page's table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tests.reliability.ledger import Outcome
from tests.sources import ROOT

RESULTS = ROOT / "build" / "reliability.json"
PAGE = ROOT / "docs" / "reliability.md"
_BEGIN, _END = "<!-- matrix -->\n", "<!-- end of matrix -->\n"


def keep(outcomes: Iterable[Outcome]) -> None:
    """Write the results."""
    rows = [{"name": row.name, "sent": row.sent, "arrived": row.arrived, "ok": row.ok} for row in outcomes]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"cases": rows}, indent=1) + "\n")


def write(results: Path = RESULTS, page: Path = PAGE) -> None:
    """Put the results into the page."""
    rows = json.loads(results.read_text())["cases"]
    lines = ["| case | sent | arrived | ok |\n", "|---|---|---|---|\n"]
    lines += [
        f"| {row['name']} | {row['sent']} | {row['arrived']} | {'yes' if row['ok'] else 'no'} |\n" for row in rows
    ]
    before, _, rest = page.read_text().partition(_BEGIN)
    page.write_text(f"{before}{_BEGIN}\n{''.join(lines)}\n{_END}{rest.partition(_END)[2]}")


if __name__ == "__main__":
    write()
