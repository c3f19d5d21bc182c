"""What a process and its children cost: CPU by the kernel's clocks (nanoseconds), memory from /proc."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

_PROCESS_CLOCK = 2  # the low bits of a clock's number, see clock_getcpuclockid(3)
_PROC = Path("/proc")


def process_cpu(pid: int) -> float:
    """Seconds of CPU of one process, all its threads included, also ended ones."""
    return time.clock_gettime(~pid << 3 | _PROCESS_CLOCK)


def tasks_cpu(pid: int) -> dict[str, float]:
    """Seconds of CPU of each thread of a process, by its number."""
    found = {}
    for task in (_PROC / str(pid) / "task").iterdir():
        with suppress(OSError):
            found[task.name] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return found


def family(pid: int) -> list[int]:
    """The process and all that live below it."""
    children = defaultdict(list)
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(") ")[2].split()
                children[int(fields[1])].append(int(folder.name))
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += children[one]
    return found


def tree_cpu(pid: int) -> float:
    """Seconds of CPU of a process and its live children."""
    total = process_cpu(pid)
    for child in family(pid)[1:]:
        with suppress(OSError):
            total += process_cpu(child)
    return total


def tree_rss(pid: int) -> float:
    """Resident megabytes of a process and its live children."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for one in family(pid):
        with suppress(OSError):
            total += int((_PROC / str(one) / "statm").read_text().split()[1]) * page
    return total / 2**20


def load_average() -> float:
    """Of the last minute, as said beside results."""
    return os.getloadavg()[0]
