"""Whether each variant did its work: a variant that delivers nothing is cheap, and no result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bench.variants import SIGNALS, Variant

_SLACK = 0.95
"""Of what is promised per request: a burst ends within a turn of the mix."""
_MISCOUNT = 0.02
"""Of the requests: one without an answer was counted by the variant all the same."""


def complaints(variant: Variant, line: dict[str, float], delivered: dict[str, Any], requests: int) -> list[str]:
    """What this variant should have delivered and did not."""
    promised = {"spans": variant.promise.spans, "logs": variant.promise.logs}
    found = [
        f"{variant.name} delivered {line[signal]:g} {signal} per request, {least:g} are promised"
        for signal, least in promised.items()
        if line[signal] < least * _SLACK
    ]
    if delivered.get("bad"):
        found.append(f"{variant.name} sent {delivered['bad']} payloads that can't be read")
    return [*found, *(f"{variant.name} {said}" for said in _of_points(variant, delivered, requests))]


def _of_points(variant: Variant, delivered: dict[str, Any], requests: int) -> Iterator[str]:
    for name, share in variant.promise.points.items():
        if not delivered.get("point_names", {}).get(name):
            yield f"delivered no point of {name}"
            continue
        counted, due = delivered.get("counted", {}).get(name, 0), share * requests
        slack = _MISCOUNT if share == 1 else 1 - _SLACK
        if share and abs(counted - due) > slack * due:
            yield f"counted {counted} in {name}, where {requests} requests make {due:.0f}"


def pulled(exposition: Iterable[str]) -> dict[str, Any]:
    """What a variant's /metrics shows, as the sink says it: samples, by metric, and what histograms counted."""
    names: dict[str, int] = {}
    counted: dict[str, int] = {}
    for sample in exposition:
        if sample.strip() and not sample.startswith("#"):
            series, _, value = sample.strip().rpartition(" ")
            full = series.partition("{")[0]
            name = full.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
            names[name] = names.get(name, 0) + 1
            if full.endswith("_count"):
                counted[name] = counted.get(name, 0) + int(float(value))
    return {"points": sum(names.values()), "point_names": names, "counted": counted}


def fewer(line: dict[str, float], ours: dict[str, float]) -> list[str]:
    """The signals of which a variant delivers less than nine tenths of what ours does."""
    return [signal for signal in SIGNALS if line[signal] < 0.9 * ours[signal]]
