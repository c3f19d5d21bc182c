"""What a process holds: memory, threads, open files; sampled while it works."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from statistics import linear_regression, mean
from typing import NamedTuple

_PAGE = 4096
_SPAN = 5
"""So many samples, one after the other, have one low."""


class Sample(NamedTuple):
    """At one time."""

    at: float
    rss: float
    threads: float
    files: float
    series: float


def sample(process: int, series: float = 0.0, port: int = 0) -> Sample:
    """Now; connections that clients have to its port are theirs, and no files of it."""
    folder = Path(f"/proc/{process}")
    rss = int((folder / "statm").read_text().split()[1]) * _PAGE
    theirs = _connections(folder, port)
    files = sum(_target(file) not in theirs for file in (folder / "fd").iterdir())
    return Sample(time.monotonic(), rss, len(list((folder / "task").iterdir())), files, series)


def _connections(folder: Path, port: int) -> set[str]:
    """What stands for the connections to the port among a process's open files."""
    rows = [line.split() for line in (folder / "net" / "tcp").read_text().splitlines()[1:]]
    return {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port:04X}")}


def _target(file: Path) -> str:
    with suppress(FileNotFoundError):  # closed meanwhile
        return str(file.readlink())
    return ""


def growth(samples: list[Sample]) -> dict[str, float]:
    """By how much of its mean each value's low grew over the second half, by the line that fits best.

    What comes and goes (a thread more for a moment) leaves the low as it is, a leak does not.
    """
    half = samples[len(samples) // 2 :]
    spans = [half[at : at + _SPAN] for at in range(0, len(half), _SPAN)]
    times = [span[0].at for span in spans]
    found = {}
    for name in ("rss", "threads", "files", "series"):
        lows = [min(getattr(one, name) for one in span) for span in spans]
        found[name] = linear_regression(times, lows).slope * (times[-1] - times[0]) / mean(lows)
    return found
