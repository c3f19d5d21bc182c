"""The commands of the benchmark, their flags and defaults."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench import (
    child,
    delivery,
    down,
    interleaved,
    memory,
    openloop,
    paired,
    report,
    session,
    stacks,
    startup,
)
from bench.environments import say
from bench.interleaved import Plan, Record
from bench.medians import quantile
from bench.variants import ALL, BARE, CORE, OURS, Variant, named


@dataclass(frozen=True)
class Command:
    """One command: what it does, and flags with their defaults and texts."""

    brief: str
    run: Callable[..., int]
    flags: Mapping[str, tuple[Any, str]] = field(default_factory=dict)


def _chosen(variants: str) -> Sequence[Variant]:
    if variants == "core":
        return CORE
    if variants == "all":
        return ALL
    names = dict.fromkeys([BARE.name, *variants.split(","), OURS.name])
    return [named(name) for name in names]


def run(variants: str, rounds: int, burst: float) -> int:
    """Method A: servers under load, in interleaved bursts; a choice of variants by name is only shown."""
    chosen, missing = session.ready(_chosen(variants))
    with session.place() as (place, sink):
        records = interleaved.measure(chosen, place, sink, Plan(rounds, burst))
        counts = sink.counts()
    lines, details = _variants(records, counts)
    details |= {"rounds": rounds, "missing": missing}
    part = {"core": "variants", "all": "peers"}.get(variants)
    if part:
        report.write(part, lines, details)
    for name, line in lines.items():
        print(f"{name:<15}ratio {details['ratios'][name]:<20} {line['overhead_us']:+.0f} µs over bare")
    return _told([*missing, *details["complaints"]])


def _variants(records: list[Record], counts: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Their lines of the results, and the details."""
    bare = next(record for record in records if record.variant is BARE)
    delivered = {record.variant.name: counts.get(record.variant.name, record.pulled) for record in records}
    lines = {
        record.variant.name: interleaved.summary(record, bare, delivered[record.variant.name]) for record in records
    }
    complaints = []
    for record in records:
        name = record.variant.name
        complaints += delivery.complaints(record.variant, lines[name], delivered[name], record.requests)
    details = {
        "requests": {record.variant.name: record.requests for record in records},
        "titles": {record.variant.name: record.variant.title for record in records},
        "ratios": {record.variant.name: str(interleaved.ratio(record, bare)) for record in records},
        "throughput": {record.variant.name: str(interleaved.throughput(record, bare)) for record in records},
        "start_seconds": {record.variant.name: record.start_seconds for record in records},
        "gaps": {record.variant.name: gap for record in records if (gap := _gap(record.variant, lines))},
        "complaints": complaints,
        "delivered": delivered,
    }
    return lines, details


def _gap(variant: Variant, lines: dict[str, dict[str, float]]) -> str:
    if variant is BARE or variant is OURS:
        return ""
    fewer = delivery.fewer(lines[variant.name], lines[OURS.name])
    counted = f"fewer {', '.join(fewer)} than ours" if fewer else ""
    return "; ".join(part for part in (counted, variant.gaps) if part)


def _told(problems: Sequence[str]) -> int:
    for problem in problems:
        say(f"PROBLEM: {problem}")
    return 1 if problems else 0


def run_paired(rounds: int, setups: str = ",".join(paired.SETUPS)) -> int:
    """Method B: set-ups in one process, in alternating blocks; other set-ups than those of record are only shown."""
    with session.place() as (place, sink):
        found = paired.measure(place, rounds, setups)
        complaints = paired.complaints(found, sink.counts())
    lines, certainty = paired.summary(found), paired.certainty(found)
    if setups == ",".join(paired.SETUPS):
        details = {"rounds": rounds, "certainty": certainty, "complaints": complaints, "raw": found}
        report.write("paired", lines, details)
    for name, line in lines.items():
        sure = certainty[name]
        print(
            f"{name:<30}{line['over_pct']:6.1f} % over bare"
            f" (95 %: {sure['over_pct_from']:.1f} to {sure['over_pct_to']:.1f}),"
            f" path {line['path_us']:.0f} µs, threads {line['thread_us']:.0f} µs",
            file=sys.stdout,
        )
    return _told(complaints)


def record(variants: str, rounds: int, blocks: int) -> int:
    """Both methods: what `make bench` does."""
    return max(run(variants, rounds, Plan().burst), run_paired(blocks))


def micro() -> int:
    """Print what single operations cost."""
    with session.place() as (place, _):
        found: dict[str, float] = child.run("micro.py", place=place)
    for name, cost in found.items():
        print(f"{cost:8.2f} µs  {name}")
    report.write("micro", {name: round(cost, 3) for name, cost in found.items()}, {})
    return 0


def parts(requests: int) -> int:
    """Print what the parts of ours cost inside the reference app."""
    with session.place() as (place, _):
        found: dict[str, dict[str, dict[str, float]]] = child.run("parts.py", str(requests), place=place)
    for side, lines in found.items():
        print(f"{side}:")
        for label, line in lines.items():
            print(f"{line['us_per_request']:8.1f} µs a request  {label}: {line['median_us']} µs x {line['calls']}")
    report.write("parts", found, {"requests": requests})
    return 0


def run_startup(variants: str, rounds: int) -> int:
    """What starting costs."""
    chosen, missing = session.ready(_chosen(variants))
    with session.place() as (place, _):
        found = startup.measure(chosen, place, rounds)
    imported = round(startup.import_cpu(rounds), 4)
    report.write("startup", found, {"rounds": rounds, "import_cpu_s": imported})
    _show({**found, "import otel_distro": {"cpu_s": imported}})
    return _told(missing)


def run_openloop(pairs: int, seconds: float, requests: int) -> int:
    """Latency at 60 % of bare's capacity, and the pipeline's slices."""
    session.ready((BARE, OURS))
    with session.place() as (place, _):
        found = openloop.measure(place, pairs, seconds)
        sliced: dict[str, Any] = child.run("slices.py", str(requests), place=place)
    slices: list[float] = sliced["slices"]
    quantiles = {f"p{share * 100:g}": round(quantile(slices, share), 3) for share in (0.5, 0.99, 0.999)}
    found["slices_ms"] = {**quantiles, "longest": round(max(slices), 3)}
    found |= {"slices": len(slices), "collections": sliced["collections"]}
    report.write("openloop", found, {"seconds": seconds})
    _show(found)
    return 0


def run_memory(variants: str, requests: int, last: int) -> int:
    """Memory over a long run."""
    chosen, missing = session.ready(_chosen(variants))
    with session.place() as (place, _):
        found = memory.measure(chosen, place, requests, last)
    report.write("memory", found, {"requests": requests, "last": last})
    _show(found)
    return _told(missing)


def run_down(seconds: float, burst: float) -> int:
    """A minute without a collector."""
    session.ready((BARE, OURS))
    with session.place() as (place, _):
        found = down.measure(place, seconds, burst)
    report.write("down", found, {"seconds": seconds})
    _show(found)
    return 0


def _show(found: Mapping[str, Any]) -> None:
    for name, value in found.items():
        print(f"{name:<20}{value}")


def profile(variant: str, seconds: int, top: int) -> int:
    """Print where a variant's CPU goes."""
    chosen = named(variant)
    chosen.environment.ready()
    with session.place() as (place, _):
        found = stacks.measure(chosen, place, seconds)
    print("\n".join(line for thread in found for line in thread.lines(top)))
    return 0


COMMANDS = {
    "record": Command(
        "both methods: the numbers of record",
        record,
        {
            "variants": ("core", "core, all (the record of the peers), or names (only shown)"),
            "rounds": (Plan().rounds, "rounds of bursts"),
            "blocks": (paired.ROUNDS, "blocks of each set-up"),
        },
    ),
    "run": Command(
        "method A: the variants' servers under load, in interleaved bursts",
        run,
        {
            "variants": ("core", "core, all (the record of the peers), or names (only shown)"),
            "rounds": (12, "rounds of bursts"),
            "burst": (1.5, "seconds of one burst; below 1.3 late batches are missed"),
        },
    ),
    "paired": Command(
        "method B: bare, ours and upstream in one process, in alternating blocks of 50 requests",
        run_paired,
        {
            "rounds": (paired.ROUNDS, "blocks of each"),
            "setups": (",".join(paired.SETUPS), "also ours:asgi, ours:asgi+sqlalchemy, ... for single parts"),
        },
    ),
    "micro": Command("single operations of the hot path, in hot loops", micro),
    "parts": Command(
        "what the parts of ours cost inside the reference app, request path and thread",
        parts,
        {"requests": (5000, "of the mix")},
    ),
    "openloop": Command(
        "latency at 60 % of bare's capacity in interleaved pairs, and the pipeline's slices",
        run_openloop,
        {
            "pairs": (20, "pairs of bare and ours"),
            "seconds": (6.0, "of each half of a pair"),
            "requests": (25_000, "for the slices"),
        },
    ),
    "memory": Command(
        "resident memory over a long run",
        run_memory,
        {
            "variants": ("bare,ours", "as for run"),
            "requests": (60000, "of each"),
            "last": (40000, "requests whose slope is told"),
        },
    ),
    "startup": Command(
        "CPU and time to the first answer, and of the import",
        run_startup,
        {"variants": ("core", "as for run"), "rounds": (9, "starts of each")},
    ),
    "down": Command(
        "a minute without a collector, against one with",
        run_down,
        {"seconds": (60.0, "without"), "burst": (2.0, "seconds of one burst")},
    ),
    "profile": Command(
        "where a variant's CPU goes, by py-spy",
        profile,
        {"variant": ("ours", "its name"), "seconds": (12, "of load"), "top": (25, "lines of each table")},
    ),
}
