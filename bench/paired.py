"""Method B: several set-ups in one process, in alternating blocks of 50 requests; the record for small differences."""

from __future__ import annotations

import statistics
from typing import Any

from bench import child
from bench.environments import say
from bench.medians import Spread, confidence, differences
from bench.server import Place
from bench.variants import BARE

ROUNDS = 120
SETUPS = ("bare", "ours", "ours_ratio_0.1", "upstream", "upstream_http")
LEAST = {
    "ours": {"spans": 2.6, "logs": 2.55},
    "ours_ratio_0.1": {"spans": 0.2, "logs": 2.55},
    "upstream": {"spans": 5.4, "logs": 1.55},
    "upstream_http": {"spans": 5.4, "logs": 1.55},
}
"""Per request of the mix."""


def measure(place: Place, rounds: int, setups: str) -> dict[str, Any]:
    """Run them, bare among them; returns the blocks by set-up and the CPU of their threads."""
    say(f"method B: {rounds} rounds of {setups}")
    found: dict[str, Any] = child.run("inside.py", str(rounds), place=place, BENCH_SETUPS=setups)
    return found


def summary(found: dict[str, Any]) -> dict[str, dict[str, float]]:
    """The `paired` part of `latest.json`: medians with quartiles over the rounds.

    Differences are of pairs, and told in parts of the median bare block: in parts of the pair's own, that block's noise
    would count twice. (Of the same raw blocks either way gave 14.0 and 13.1 %, within the certainty.)
    """
    bare = found["blocks"][BARE.name]
    base = statistics.median(bare)
    lines = {}
    for name, blocks in found["blocks"].items():
        if name == BARE.name:
            continue
        path, thread = Spread.of(differences(blocks, bare)), found["thread_us"][name]
        over = path.plus(thread).times(100 / base)
        lines[name] = {
            "over_pct": round(over.median, 2),
            "over_pct_low": round(over.low, 2),
            "over_pct_high": round(over.high, 2),
            "path_us": round(path.median, 1),
            "thread_us": round(thread, 1),
        }
    return lines


def complaints(found: dict[str, Any], counts: dict[str, Any]) -> list[str]:
    """What a set-up should have delivered and did not; `counts` are the sink's."""
    lines = []
    for name, least in LEAST.items():
        if name not in found["sent"]:
            continue
        sent, delivered = found["sent"][name], counts.get(name, {})
        if any(delivered.get(signal, 0) < share * sent for signal, share in least.items()):
            lines.append(
                f"method B: {name} delivered {delivered.get('spans', 0)} spans and {delivered.get('logs', 0)}"
                f" log records for {sent} requests"
            )
        counted = delivered.get("counted", {})
        durations = counted.get("http.server.request.duration", counted.get("http.server.duration", 0))
        if abs(durations - sent) > sent / 100:
            lines.append(f"method B: {name} counted {durations} requests of {sent}")
    return lines


def certainty(found: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Between which shares of bare the true median lies, with 95 % confidence."""
    bare = found["blocks"][BARE.name]
    base = statistics.median(bare)
    lines = {}
    for name, blocks in found["blocks"].items():
        if name != BARE.name:
            low, high = confidence(differences(blocks, bare))
            thread = found["thread_us"][name]
            lines[name] = {
                "over_pct_from": round((low + thread) / base * 100, 2),
                "over_pct_to": round((high + thread) / base * 100, 2),
            }
    return {"bare_us": {"median": round(base, 1)}, **lines}
