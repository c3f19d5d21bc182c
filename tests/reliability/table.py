"""The matrix of the last run: `build/reliability.json`, and by `python -m tests.reliability.table` the page's table."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.reliability.ledger import Outcome
from tests.sources import ROOT

RESULTS = ROOT / "build" / "reliability.json"
PAGE = ROOT / "docs" / "reliability.md"
_BEGIN, _END = "<!-- matrix -->\n", "<!-- end of matrix -->\n"


def keep(outcomes: Iterable[Outcome], results: Path = RESULTS) -> None:
    """Write the results, in the place of those that the same cases had before; other workers do so, too."""
    results.parent.mkdir(exist_ok=True)
    with results.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows = {row["name"]: row for row in (_cases(results) if results.exists() else ())}
        for row in outcomes:
            rows[row.name] = {"name": row.name, "sent": row.sent, "arrived": row.arrived, "ok": row.ok}
        results.write_text(json.dumps({"cases": list(rows.values())}, indent=1) + "\n")


def write(results: Path = RESULTS, page: Path = PAGE) -> None:
    """Put the results into the page."""
    lines = ["| case | sent | arrived | ok |\n", "|---|---|---|---|\n"]
    for row in _cases(results):
        lines.append(f"| {row['name']} | {row['sent']} | {row['arrived']} | {'yes' if row['ok'] else 'no'} |\n")
    before, _, rest = page.read_text().partition(_BEGIN)
    page.write_text(f"{before}{_BEGIN}\n{''.join(lines)}\n{_END}{rest.partition(_END)[2]}")


def _cases(results: Path) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads(results.read_text())["cases"]
    return cases


if __name__ == "__main__":
    write()
