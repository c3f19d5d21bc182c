"""What a process holds: memory, threads, open files; sampled while it works."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import linear_regression, mean
from typing import NamedTuple

_PAGE = 4096


class Sample(NamedTuple):
    """At one time."""

    at: float
    rss: float
    threads: float
    files: float
    series: float


def sample(process: int, series: float = 0.0) -> Sample:
    """Now."""
    folder = Path(f"/proc/{process}")
    rss = int((folder / "statm").read_text().split()[1]) * _PAGE
    return Sample(
        time.monotonic(), rss, len(list((folder / "task").iterdir())), len(list((folder / "fd").iterdir())), series
    )


def growth(samples: list[Sample]) -> dict[str, float]:
    """By how much of its mean each value grew over the second half, by the line that fits best."""
    half = samples[len(samples) // 2 :]
    times = [one.at for one in half]
    found = {}
    for name in ("rss", "threads", "files", "series"):
        values = [getattr(one, name) for one in half]
        found[name] = linear_regression(times, values).slope * (times[-1] - times[0]) / mean(values)
    return found
