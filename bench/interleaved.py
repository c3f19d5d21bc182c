"""Method A: all servers up at once, short bursts in random order; CPU of the server's processes per request.

A variant's CPU is read again one burst later, when another one is under load: what it does afterwards (its batches
leave within a second) is counted too. Each burst is compared with the bare bursts of its own round.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from bench.delivery import pulled
from bench.environments import say
from bench.error import BenchError
from bench.medians import Spread
from bench.process import load_average
from bench.server import Place, Server
from bench.variants import BARE, Variant
from bench.wire import Load, Sink, send

CONNECTIONS = 16
STARTS = 3
WARM_SECONDS = 1.5


@dataclass(frozen=True)
class Plan:
    """How long to measure."""

    rounds: int = 12
    burst: float = 1.5


@dataclass
class Burst:
    """One burst of one variant; `cpu` in seconds, all that it caused included."""

    load: Load
    cpu: float = 0.0

    @property
    def cpu_us(self) -> float:
        """CPU per request."""
        return self.cpu / self.load.requests * 1e6


@dataclass
class Record:
    """What was measured of one variant."""

    variant: Variant
    starts: list[float] = field(default_factory=list)
    start_seconds: list[float] = field(default_factory=list)
    rounds: list[list[Burst]] = field(default_factory=list)
    rss: float = 0.0
    requests: int = 0
    pulled: dict[str, Any] = field(default_factory=dict)
    """What its /metrics showed at the end, as `delivery.pulled` says it."""


def order(names: Sequence[str], source: random.Random) -> list[str]:
    """One round: the others in random order, and bare before each third of them."""
    others = [name for name in names if name != BARE.name]
    source.shuffle(others)
    third = max(1, -(-len(others) // 3))
    found: list[str] = []
    for start in range(0, len(others), third):
        found += [BARE.name, *others[start : start + third]]
    return found or [BARE.name]


def measure(variants: Sequence[Variant], place: Place, sink: Sink, plan: Plan) -> list[Record]:
    """Start all, run the rounds, stop all; `sink.counts()` then has what was delivered."""
    records = {variant.name: Record(variant) for variant in variants}
    with ExitStack() as stack:
        for number in range(STARTS):
            last = number == STARTS - 1
            if last:
                sink.reset()
            servers = {}
            for variant in random.sample(list(variants), len(variants)):
                server = _start(records[variant.name], place)
                if last:
                    servers[variant.name] = stack.enter_context(server)
                else:
                    server.stop()
        _rounds(records, servers, plan)
        for name, server in servers.items():
            records[name].rss = server.rss()
            if server.variant.exposes:
                records[name].pulled = pulled(server.get("/metrics").decode().splitlines())
            records[name].requests = server.requests
    return list(records.values())


def _start(record: Record, place: Place) -> Server:
    server = Server(record.variant, place)
    record.starts.append(server.start_cpu)
    record.start_seconds.append(server.start_seconds)
    return server


def _rounds(records: dict[str, Record], servers: dict[str, Server], plan: Plan) -> None:
    source = random.Random(0)
    for name in order(list(servers), source):
        _load(servers[name], WARM_SECONDS)
    for number in range(plan.rounds):
        for record in records.values():
            record.rounds.append([])
        for name, burst in _bursts([(name, servers[name]) for name in order(list(servers), source)], plan.burst):
            records[name].rounds[number].append(burst)
        bare = statistics.mean(burst.cpu_us for burst in records[BARE.name].rounds[number])
        shown = {name: statistics.mean(b.cpu_us for b in record.rounds[number]) for name, record in records.items()}
        line = ", ".join(f"{name} {value / bare:.2f}" for name, value in shown.items() if name != BARE.name)
        say(f"round {number + 1} of {plan.rounds}: bare {bare:.0f} µs, {line} (load {load_average():.1f})")


def _bursts(turns: Iterable[tuple[str, Server]], seconds: float) -> list[tuple[str, Burst]]:
    found: list[tuple[str, Burst]] = []
    running: tuple[Burst, Server, float] | None = None
    for name, server in turns:
        before = server.cpu()
        burst = Burst(_load(server, seconds))
        _close(running)
        running = (burst, server, before)
        found.append((name, burst))
    time.sleep(seconds)
    _close(running)
    return found


def _close(running: tuple[Burst, Server, float] | None) -> None:
    if running is not None:
        burst, server, before = running
        burst.cpu = server.cpu() - before


def _load(server: Server, seconds: float) -> Load:
    try:
        load = send(server.port, seconds=seconds, connections=CONNECTIONS)
    except BenchError as error:
        raise BenchError(f"{server.variant.name}: {error}") from error
    server.requests += load.requests
    return load


def summary(record: Record, bare: Record, delivered: dict[str, Any]) -> dict[str, float]:
    """One variant's line of `latest.json`."""
    cpu = [statistics.mean(burst.cpu_us for burst in bursts) for bursts in record.rounds]
    base = [statistics.mean(burst.cpu_us for burst in bursts) for bursts in bare.rounds]
    loads = [burst.load for bursts in record.rounds for burst in bursts]
    return {
        "cpu_us": round(statistics.median(cpu), 1),
        "ratio": round(ratio(record, bare).median, 3),
        "overhead_us": round(statistics.median(one - other for one, other in zip(cpu, base, strict=True)), 1),
        "rps": round(statistics.median(load.rps for load in loads), 1),
        "p50_ms": round(statistics.median(load.p50_ms for load in loads), 2),
        "p99_ms": round(statistics.median(load.p99_ms for load in loads), 2),
        "spans": round(delivered.get("spans", 0) / record.requests, 3),
        "logs": round(delivered.get("logs", 0) / record.requests, 3),
        "points": round(delivered.get("points", 0) / record.requests, 4),
        "rss_mb": round(record.rss, 1),
        "start_cpu_s": round(statistics.median(record.starts), 3),
    }


def ratio(record: Record, bare: Record) -> Spread:
    """CPU over that of bare in the same round."""
    return _against(record, bare, lambda burst: burst.cpu_us)


def throughput(record: Record, bare: Record) -> Spread:
    """Requests per second over those of bare in the same round."""
    return _against(record, bare, lambda burst: burst.load.rps)


def _against(record: Record, bare: Record, value: Any) -> Spread:
    return Spread.of(
        [
            statistics.mean(map(value, bursts)) / statistics.mean(map(value, base))
            for bursts, base in zip(record.rounds, bare.rounds, strict=True)
        ]
    )
