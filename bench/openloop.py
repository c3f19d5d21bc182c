"""Latency when requests come at their own pace: 60 % of what bare can do, in interleaved pairs of bare and ours."""

from __future__ import annotations

import random
import statistics
from contextlib import ExitStack
from typing import Any

from bench.environments import say
from bench.medians import Spread
from bench.server import Place, Server
from bench.variants import BARE, OURS
from bench.wire import Load, send

SHARE = 0.6
_CAPACITY_SECONDS = 3.0
_CONNECTIONS = 128


def measure(place: Place, pairs: int, seconds: float) -> dict[str, Any]:
    """Both see the same arrival times in a pair; the order within it is random."""
    with ExitStack() as stack:
        servers = {variant.name: stack.enter_context(Server(variant, place)) for variant in (BARE, OURS)}
        for server in servers.values():
            send(server.port, seconds=_CAPACITY_SECONDS)
        capacity = statistics.median(send(servers[BARE.name].port, seconds=_CAPACITY_SECONDS).rps for _ in range(3))
        rate = SHARE * capacity
        say(f"bare answers {capacity:.0f} requests a second; sending {rate:.0f}")
        found: dict[str, list[Load]] = {BARE.name: [], OURS.name: []}
        for number in range(pairs):
            for name in random.sample(list(found), len(found)):
                load = send(servers[name].port, seconds=seconds, rate=rate, connections=_CONNECTIONS, seed=number + 1)
                found[name].append(load)
            say(
                f"pair {number + 1} of {pairs}: "
                + ", ".join(f"{k} p99 {v[-1].p99_ms:.1f} ms" for k, v in found.items())
            )
    ratios = Spread.of(
        [ours.p99_ms / bare.p99_ms for ours, bare in zip(found[OURS.name], found[BARE.name], strict=True)]
    )
    return {
        "rate": round(rate, 1),
        "pairs": pairs,
        "p99_ms": {name: round(statistics.median(load.p99_ms for load in loads), 2) for name, loads in found.items()},
        "p50_ms": {name: round(statistics.median(load.p50_ms for load in loads), 2) for name, loads in found.items()},
        "p99_ratio": round(ratios.median, 3),
        "p99_ratio_low": round(ratios.low, 3),
        "p99_ratio_high": round(ratios.high, 3),
    }
