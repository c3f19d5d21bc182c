"""Whether each variant did its work: a variant that delivers nothing is cheap, and no result."""

from __future__ import annotations

from typing import Any

from bench.variants import SIGNALS, Variant

LEAST = {"spans": 1.0, "logs": 1.5, "points": 0.0}
"""Per request of the mix: one span at least, the two log lines of an item, any point."""

_SLACK = 0.95
_DURATIONS = ("http.server.request.duration", "http.server.duration")


def complaints(variant: Variant, line: dict[str, float], delivered: dict[str, Any], requests: int) -> list[str]:
    """What this variant should have delivered and did not."""
    found = [
        f"{variant.name} delivered {line[signal]:g} {signal} per request"
        for signal in variant.delivers
        if line[signal] <= LEAST[signal] * _SLACK
    ]
    if delivered.get("bad"):
        found.append(f"{variant.name} sent {delivered['bad']} payloads that can't be read")
    for name in _DURATIONS:
        counted = delivered.get("counted", {}).get(name)
        if counted is not None and not _SLACK * requests <= counted <= requests / _SLACK:
            found.append(f"{variant.name} counted {counted} requests of {requests} in {name}")
    return found


def fewer(line: dict[str, float], ours: dict[str, float]) -> list[str]:
    """The signals of which a variant delivers less than nine tenths of what ours does."""
    return [signal for signal in SIGNALS if line[signal] < 0.9 * ours[signal]]
