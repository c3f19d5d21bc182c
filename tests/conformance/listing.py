"""What is known to differ, by suite: `differences/<suite>.txt`.

    [deviation]
    tests.test_of_upstream.TestClass::test_name
        how it fails under ours, or: passed

What is listed as unsteady is the beginning of test ids.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent / "differences"
UNSTEADY = "unsteady"


class Difference(NamedTuple):
    """One test of upstream's that ends otherwise: by which deviation, and what it says under ours."""

    deviation: str
    said: str


def listed(suite: str) -> dict[str, Difference]:
    """By test id, for one suite."""
    path = HERE / f"{suite}.txt"
    found: dict[str, Difference] = {}
    deviation = name = ""
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        if line.startswith("["):
            deviation = line.strip("[]")
        elif line.startswith("    "):
            found[name] = Difference(deviation, line.strip())
        elif line and not line.startswith("#"):
            name = line
            assert name not in found, f"{path.name} lists {name} twice"
            found[name] = Difference(deviation, "")
    return found


def write(suite: str, differences: dict[str, Difference]) -> None:
    """Write the list of one suite, by deviation."""
    lines: list[str] = []
    for deviation in sorted({difference.deviation for difference in differences.values()}):
        lines += [] if not lines else [""]
        lines.append(f"[{deviation}]")
        for name, difference in sorted(differences.items()):
            if difference.deviation == deviation:
                lines += [name, *([f"    {difference.said}"] if difference.said else [])]
    HERE.mkdir(exist_ok=True)
    (HERE / f"{suite}.txt").write_text("\n".join(lines) + "\n", "utf-8")
