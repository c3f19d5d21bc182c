"""Latency when requests come at their own pace: 60 % of what bare can do, in interleaved pairs of bare and ours.

What bare can do is measured anew before each pair: on a shared machine it changes by half within minutes, and a rate
that is 60 % of it in one moment is all of it in another.
"""

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
_CAPACITY_SECONDS = 2.0
_CONNECTIONS = 128


def measure(place: Place, pairs: int, seconds: float) -> dict[str, Any]:
    """Both see the same arrival times in a pair; the order within it is random."""
    with ExitStack() as stack:
        servers = {variant.name: stack.enter_context(Server(variant, place)) for variant in (BARE, OURS)}
        for server in servers.values():
            send(server.port, seconds=_CAPACITY_SECONDS)
        found: dict[str, list[Load]] = {BARE.name: [], OURS.name: []}
        rates: list[float] = []
        for number in range(pairs):
            rates.append(SHARE * send(servers[BARE.name].port, seconds=_CAPACITY_SECONDS).rps)
            for name in random.sample(list(found), len(found)):
                port = servers[name].port
                load = send(port, seconds=seconds, rate=rates[-1], connections=_CONNECTIONS, seed=number + 1)
                found[name].append(load)
            say(
                f"pair {number + 1} of {pairs}, {rates[-1]:.0f} requests a second: "
                + ", ".join(f"{k} p99 {v[-1].p99_ms:.1f} ms" for k, v in found.items())
            )
    ratios = Spread.of(
        [ours.p99_ms / bare.p99_ms for ours, bare in zip(found[OURS.name], found[BARE.name], strict=True)]
    )
    return {
        "rate": round(statistics.median(rates), 1),
        "pairs": pairs,
        "p99_ms": {name: round(statistics.median(load.p99_ms for load in loads), 2) for name, loads in found.items()},
        "p50_ms": {name: round(statistics.median(load.p50_ms for load in loads), 2) for name, loads in found.items()},
        "p99_ratio": round(ratios.median, 3),
        "p99_ratio_low": round(ratios.low, 3),
        "p99_ratio_high": round(ratios.high, 3),
    }
