"""Where a variant's CPU goes: py-spy's samples of its loaded server, by thread and by the function of telemetry.

A sample belongs to telemetry when the innermost frame that is not the standard library's is telemetry's; so the
application below our wrappers counts as the application.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.error import BenchError
from bench.process import tasks_cpu
from bench.server import Place, Server
from bench.variants import PROFILER, Variant
from bench.wire import send

RATE = 250
_TELEMETRY = re.compile(r"[/(](otel_distro|opentelemetry|ddtrace|sentry_sdk|logfire|grpc|google/protobuf)/")
_LIBRARY = re.compile(r"site-packages/|[/(](shop|main|setup)\.py")
_SHORTER = re.compile(r"\((?:.*/(?:site-packages|python3\.\d+)/)?([^)]*?)(?::\d+)?\)")
_THREAD = re.compile(r"thread \((\d+)\)(?:: (.*))?")


@dataclass
class Thread:
    """One thread's samples, taken while it held the interpreter; `cpu` in µs per request, by the kernel."""

    name: str
    cpu: float
    samples: int = 0
    own: Counter[str] = field(default_factory=Counter)
    """The telemetry function that ran, with what it called of the standard library."""
    inclusive: Counter[str] = field(default_factory=Counter)
    """Every telemetry function on the stack of a sample that belongs to telemetry."""

    def add(self, stack: list[str], count: int) -> None:
        """Take a stack, outermost frame first."""
        self.samples += count
        innermost = next((frame for frame in reversed(stack) if _LIBRARY.search(frame)), "")
        if not _TELEMETRY.search(innermost):
            return
        frames = [_shorter(frame) for frame in _of_telemetry(stack)]
        self.own[frames[0]] += count
        for frame in set(frames):
            self.inclusive[frame] += count

    def lines(self, top: int) -> Iterator[str]:
        """The report."""
        unit = self.cpu / max(1, self.samples)
        telemetry = sum(self.own.values()) * unit
        yield f"\n{self.name}: {self.cpu:.0f} µs/request, of it telemetry {telemetry:.0f} ({self.samples} samples)"
        for title, table in (("self", self.own), ("inclusive", self.inclusive)):
            yield f"  {title}, µs/request"
            for frame, number in table.most_common(top):
                yield f"  {number * unit:7.1f}  {frame}"


def threads_of(folded: str, cpu: dict[str, float]) -> list[Thread]:
    """Threads with their samples, from py-spy's raw output and each thread's CPU; the busiest first."""
    found: dict[str, Thread] = {}
    for line in folded.splitlines():
        stack, _, count = line.rpartition(" ")
        head, *frames = stack.split(";")
        named = _THREAD.match(head)
        if named and frames:
            number = named[1]
            thread = found.setdefault(number, Thread(named[2] or "unnamed", cpu.get(number, 0.0)))
            thread.add(frames, int(count))
    return sorted(found.values(), key=lambda thread: -thread.cpu)


def _of_telemetry(stack: list[str]) -> Iterator[str]:
    """Telemetry's frames, innermost first, until the application's begin."""
    for frame in reversed(stack):
        if _TELEMETRY.search(frame):
            yield frame
        elif _LIBRARY.search(frame):
            return


def _shorter(frame: str) -> str:
    return _SHORTER.sub(r"(\1)", frame)


def measure(variant: Variant, place: Place, seconds: float) -> list[Thread]:
    """Profile one variant's server under the mix."""
    PROFILER.ready()
    with tempfile.TemporaryDirectory(prefix="otel-distro-bench-") as folder, Server(variant, place) as server:
        raw = Path(folder, "stacks")
        send(server.port, seconds=2)
        before = tasks_cpu(server.process.pid)
        options = ["-d", str(int(seconds)), "-r", str(RATE), "-f", "raw", "-F", "-t", "--full-filenames"]
        command = [str(PROFILER.program("py-spy")), "record", "--gil", "--nonblocking", *options]
        profiler = subprocess.Popen(
            [*command, "-p", str(server.process.pid), "-o", str(raw)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        load = send(server.port, seconds=seconds + 1)
        after = tasks_cpu(server.process.pid)
        _, said = profiler.communicate(timeout=60)
        if not raw.exists():
            raise BenchError(f"py-spy: {said[-500:].decode('utf-8', 'replace')}")
        cpu = {task: (used - before.get(task, 0.0)) / load.requests * 1e6 for task, used in after.items()}
        return threads_of(raw.read_text("utf-8", "replace"), cpu)
