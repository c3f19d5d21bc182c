"""A minute without a collector: two servers of ours, one whose telemetry is refused, in interleaved bursts."""

from __future__ import annotations

import random
import statistics
import time
from contextlib import ExitStack
from typing import Any

from bench.environments import say
from bench.error import BenchError
from bench.interleaved import Burst
from bench.medians import Spread
from bench.server import Place, Server
from bench.variants import OURS
from bench.wire import Sink, send

UP, DOWN = "up", "down"
_PATIENCE = 60


def measure(place: Place, seconds: float, burst: float) -> dict[str, Any]:
    """Pairs of bursts for as long as asked; then the collector is back, and what waited must arrive."""
    lost = Sink()
    elsewhere = Place(place.variables["BENCH_DATABASE"], place.variables["BENCH_STUB"], lost.port)
    with ExitStack() as stack:
        servers = {
            UP: stack.enter_context(Server(OURS, place)),
            DOWN: stack.enter_context(Server(OURS, elsewhere)),
        }
        for server in servers.values():
            send(server.port, seconds=2)
        time.sleep(2)
        lost.stop()
        found = _pairs(servers, seconds, burst)
        back = Sink(lost.port)
        arrived = _arrives(back)
        back.stop()
    cpu = Spread.of(_ratios(found, lambda one: one.cpu_us))
    p99 = Spread.of(_ratios(found, lambda one: one.load.p99_ms))
    return {
        "pairs": len(found[UP]),
        "cpu_us": {name: round(statistics.median(one.cpu_us for one in bursts), 1) for name, bursts in found.items()},
        "cpu_ratio": round(cpu.median, 3),
        "cpu_ratio_quartiles": [round(cpu.low, 3), round(cpu.high, 3)],
        "p99_ratio": round(p99.median, 3),
        "p99_ratio_quartiles": [round(p99.low, 3), round(p99.high, 3)],
        "spans_after_return": arrived,
    }


def _pairs(servers: dict[str, Server], seconds: float, burst: float) -> dict[str, list[Burst]]:
    found: dict[str, list[Burst]] = {UP: [], DOWN: []}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name in random.sample([UP, DOWN], 2):
            server = servers[name]
            before = server.cpu()
            one = Burst(send(server.port, seconds=burst))
            time.sleep(1.3)  # its batches leave, or fail to
            one.cpu = server.cpu() - before
            found[name].append(one)
        say(", ".join(f"{name} {bursts[-1].cpu_us:.0f} µs" for name, bursts in found.items()))
    return found


def _ratios(found: dict[str, list[Burst]], value: Any) -> list[float]:
    return [value(down) / value(up) for down, up in zip(found[DOWN], found[UP], strict=True)]


def _arrives(sink: Sink) -> int:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        spans: int = sink.counts().get(OURS.name, {}).get("spans", 0)
        if spans:
            time.sleep(2)
            total: int = sink.counts()[OURS.name]["spans"]
            return total
        time.sleep(0.2)
    raise BenchError("nothing was delivered when the collector came back")
