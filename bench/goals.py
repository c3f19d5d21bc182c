"""What was aimed at and what was measured, as one table: each figure of `results/details.json` that has a goal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import ge, le, lt
from typing import Any

Details = dict[str, Any]
_NOT_MEASURED = "not measured"
_LEAST = {
    "paired": {"rounds": 80},
    "variants": {"rounds": 12},
    "openloop": {"pairs": 20, "slices": 2000, "collections": 10},
    "memory": {"requests": 60_000, "last": 40_000},
    "startup": {"rounds": 9},
    "down": {"seconds": 60},
}
"""What a part's run must have had for its figures to count."""


@dataclass(frozen=True)
class Figure:
    """A measured value and the words for it."""

    value: float
    words: str


@dataclass(frozen=True)
class Goal:
    """A figure of one part of the results; it is met when the value stands so to the limit: usually, is no more."""

    name: str
    part: str
    text: str
    limit: float
    figure: Callable[[Details], Figure]
    meets: Callable[[float, float], bool] = le

    def row(self, details: Details) -> list[str]:
        """Its line of the table; a part that was never measured, or lacks a variant, says so."""
        part = details.get(self.part)
        try:
            found = self.figure(part) if part else None
        except KeyError:
            found = None
        if part is None or found is None:
            return [self.name, self.text, _NOT_MEASURED, "no", ""]
        met = self.meets(found.value, self.limit)
        doubts = self._doubts(part)
        said = "; ".join([found.words, *doubts])
        return [self.name, self.text, said, "yes" if met and not doubts else "**no**", part["machine"]["at"]]

    def _doubts(self, part: Details) -> list[str]:
        """Why the figure is none: a run that was too short, or somebody in it who did not deliver."""
        return [*shortcomings(self.part, part), *part.get("complaints", ())]


def shortcomings(name: str, part: Details) -> list[str]:
    """Of what a part's run had too few for its figures to count."""
    had = {**part["lines"], **part}
    asked = _LEAST.get(name, {}).items()
    return [f"too short: {had.get(what, 0):g} {what}" for what, count in asked if had.get(what, 0) < count]


def _paired(part: Details) -> Figure:
    value, sure = part["lines"]["ours"]["over_pct"], part["certainty"]["ours"]
    return Figure(value, f"{value:.1f} % (95 %: {sure['over_pct_from']:.1f} to {sure['over_pct_to']:.1f})")


def _fraction(value: float) -> Figure:
    return Figure(value, f"1/{1 / value:.1f}" if value > 0 else f"{value:.3f}")


def _against_upstream(part: Details) -> Figure:
    """Against the cheaper of its transports."""
    cheaper = min(part["lines"][name]["over_pct"] for name in ("upstream", "upstream_http"))
    return _fraction(part["lines"]["ours"]["over_pct"] / cheaper)


def _against(peer: str) -> Callable[[Details], Figure]:
    return lambda part: _fraction(part["lines"]["ours"]["overhead_us"] / part["lines"][peer]["overhead_us"])


def _tenth(part: Details) -> Figure:
    value = part["lines"]["ours_ratio_0.1"]["over_pct"] / part["lines"]["ours"]["over_pct"]
    return Figure(value, f"{value:.2f} times")


def _throughput(part: Details) -> Figure:
    words: str = part["throughput"]["ours"]
    return Figure(float(words.split(maxsplit=1)[0]), words)


def _p99(part: Details) -> Figure:
    line = part["lines"]
    quartiles = f"(quartiles {line['p99_ratio_low']:.2f} to {line['p99_ratio_high']:.2f}; {line['pairs']} pairs)"
    return Figure(line["p99_ratio"], f"{line['p99_ratio']:.2f} times {quartiles}")


def _slices(part: Details) -> Figure:
    lines = part["lines"]
    value, longest = (lines["slices_ms"][name] for name in ("p99.9", "longest"))
    among = f"{lines['slices']} slices, {lines['collections']} collections of metrics among them"
    return Figure(value, f"{value:.2f} ms (longest {longest:.2f}) of {among}")


def _memory(key: str) -> Callable[[Details], Figure]:
    def figure(part: Details) -> Figure:
        value = part["lines"]["ours"][key]
        return Figure(value, f"{value:.1f} MB ({part['requests']} requests, the last {part['last']})")

    return figure


def _start(part: Details) -> Figure:
    value = part["lines"]["ours"]["over_bare_s"]
    return Figure(value, f"{value:+.3f} s ({part['rounds']} starts)")


def _start_against_upstream(part: Details) -> Figure:
    value = part["lines"]["ours"]["over_bare_s"] - part["lines"]["upstream"]["over_bare_s"]
    return Figure(value, f"{value:+.3f} s")


def _import(part: Details) -> Figure:
    return Figure(part["import_cpu_s"], f"{part['import_cpu_s'] * 1000:.0f} ms")


def _down(key: str) -> Callable[[Details], Figure]:
    def figure(part: Details) -> Figure:
        low, high = part["lines"][f"{key}_quartiles"]
        words = f"{part['lines'][key]:.2f} times (quartiles {low:.2f} to {high:.2f}; {part['lines']['pairs']} pairs)"
        return Figure(part["lines"][key], words)

    return figure


GOALS = (
    Goal("one process: CPU over bare", "paired", "at most 10 %", 10, _paired),
    Goal(
        "one process: overhead against upstream's",
        "paired",
        "at most 1/8",
        1 / 8,
        _against_upstream,
    ),
    Goal("one process: overhead with a ratio of 0.1", "paired", "at most 0.9 times", 0.9, _tenth),
    Goal(
        "servers: overhead against ddtrace's",
        "variants",
        "at most 1/6",
        1 / 6,
        _against("ddtrace"),
    ),
    Goal(
        "servers: overhead against hand-rolled",
        "variants",
        "at most 1/4",
        1 / 4,
        _against("handrolled"),
    ),
    Goal(
        "servers: throughput against bare",
        "variants",
        "at least 0.9",
        0.9,
        _throughput,
        ge,
    ),
    Goal("p99 at 60 % of bare's capacity", "openloop", "at most 1.3 times bare's", 1.3, _p99),
    Goal("p99.9 of the pipeline's slices", "openloop", "at most 1 ms of CPU", 1.0, _slices),
    Goal("memory over bare", "memory", "at most 20 MB", 20, _memory("over_bare_mb")),
    Goal("memory's rise over the last requests", "memory", "below 1 MB", 1, _memory("slope_mb"), lt),
    Goal("start to the first answer, CPU over bare", "startup", "at most 0.25 s", 0.25, _start),
    Goal("the same against upstream's", "startup", "less", 0, _start_against_upstream, lt),
    Goal("`import otel_distro`, CPU", "startup", "below 30 ms", 0.03, _import, lt),
    Goal("a minute without a collector: CPU", "down", "within 5 %", 1.05, _down("cpu_ratio")),
    Goal("a minute without a collector: p99", "down", "within 15 %", 1.15, _down("p99_ratio")),
)
"""Of the project's own making: cheaper by an order of magnitude, and no worse neighbour to the application."""
