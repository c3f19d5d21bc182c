"""What starting costs: CPU and time until the first answer, and of `import otel_distro` alone."""

from __future__ import annotations

import random
import statistics
import subprocess
from collections.abc import Sequence

from bench.environments import say
from bench.medians import Spread
from bench.server import Place, Server
from bench.variants import BARE, OURS, Variant

_IMPORT = "import time; start = time.process_time(); import otel_distro; print(time.process_time() - start)"


def measure(variants: Sequence[Variant], place: Place, rounds: int) -> dict[str, dict[str, float]]:
    """Start each once per round, in random order; medians, and what they are over bare of the same round."""
    cpu: dict[str, list[float]] = {variant.name: [] for variant in variants}
    wall: dict[str, list[float]] = {variant.name: [] for variant in variants}
    for number in range(rounds + 1):
        for variant in random.sample(list(variants), len(variants)):
            with Server(variant, place) as server:
                if number:  # the first fills the page cache
                    cpu[variant.name].append(server.start_cpu)
                    wall[variant.name].append(server.start_seconds)
        say(f"start {number} of {rounds}")
    return {
        name: {
            "cpu_s": round(statistics.median(values), 3),
            "over_bare_s": round(Spread.of(_over(values, cpu[BARE.name])).median, 3),
            "first_answer_s": round(statistics.median(wall[name]), 3),
        }
        for name, values in cpu.items()
    }


def _over(values: Sequence[float], bare: Sequence[float]) -> list[float]:
    return [value - base for value, base in zip(values, bare, strict=True)]


def import_cpu(rounds: int) -> float:
    """Seconds of CPU of `import otel_distro` in a fresh interpreter."""
    python = str(OURS.environment.program("python"))
    return statistics.median(float(subprocess.check_output([python, "-c", _IMPORT], text=True)) for _ in range(rounds))
