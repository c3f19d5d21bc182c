"""Where results go: `results/latest.json`, `results/details.json` beside it, and the tables of docs/performance.md."""

from __future__ import annotations

import json
import os
import platform
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bench.environments import HERE, ROOT, say
from bench.goals import GOALS, shortcomings
from bench.process import load_average
from bench.variants import CORE

LATEST = HERE / "results" / "latest.json"
DETAILS = HERE / "results" / "details.json"
PAGE = ROOT / "docs" / "performance.md"

_COLUMNS = (
    "variant",
    "CPU µs/request",
    "ratio to bare (quartiles)",
    "over bare µs",
    "req/s",
    "p50 ms",
    "p99 ms",
    "spans, logs, points per request",
    "RSS MB",
    "start CPU s",
)
_PAIRED_COLUMNS = (
    "set-up",
    "over bare % (quartiles of the rounds)",
    "median lies between (95 %)",
    "request path µs",
    "threads µs",
    "subtracted: idle threads µs",
)
_CORE = {variant.name for variant in CORE}

_GOAL_COLUMNS = ("figure", "goal", "measured", "met", "on")


def write(part: str, lines: dict[str, Any], details: dict[str, Any]) -> None:
    """Put one part (`variants`, `peers`, `paired`, ...) of a run into the files; the other parts stay as they were.

    A run that is too short for its figures to count is shown, and no record.
    """
    short = shortcomings(part, {"lines": lines, **details})
    if short:
        say(f"NOT RECORDED: {part} {', '.join(short)}")
        return
    if part in _LATEST:
        latest = {"variants": {}, "paired": {}, **_read(LATEST)}
        _store(LATEST, {**latest, **_LATEST[part](latest, lines)})
    known = {**_read(DETAILS), part: {"lines": lines, "machine": machine(), **details}}
    _store(DETAILS, known)
    put_table("goals", goals(known))
    if part in _TABLES:
        put_table(part, _TABLES[part](lines, details))


def _with_core(latest: dict[str, Any], lines: dict[str, Any]) -> dict[str, Any]:
    """A run of the core is the record of the core; the peers stay as their last run found them."""
    return {"variants": {**lines, **_peers(latest["variants"])}}


def _with_peers(latest: dict[str, Any], lines: dict[str, Any]) -> dict[str, Any]:
    """A run with the peers is the record of the peers, and of the core only while there is no other.

    A peer's ratio and overhead are to the bare of its own run, which is in the details and in the peers' table.
    """
    core = {name: line for name, line in latest["variants"].items() if name in _CORE}
    return {"variants": {**core, **_peers(lines)} if core else lines}


def _peers(lines: dict[str, Any]) -> dict[str, Any]:
    return {name: line for name, line in lines.items() if name not in _CORE}


def _with_paired(_latest: dict[str, Any], lines: dict[str, Any]) -> dict[str, Any]:
    return {"paired": lines}


def machine() -> dict[str, Any]:
    """Where and when this was measured, and how busy the machine was."""
    return {
        "at": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": os.cpu_count(),
        "load": round(load_average(), 2),
        "kernel": platform.release(),
        "architecture": platform.machine(),
    }


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def _store(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def put_table(name: str, table: str) -> None:
    """Replace what stands between the markers `<!-- bench:NAME -->` and `<!-- /bench:NAME -->` of the page."""
    page = PAGE.read_text("utf-8")
    pattern = re.compile(f"(<!-- bench:{name} -->\n).*?(<!-- /bench:{name} -->)", re.DOTALL)
    changed, count = pattern.subn(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", page)
    if count != 1:
        raise ValueError(f"{PAGE.name} has no markers for {name}")
    PAGE.write_text(changed, "utf-8")


def markdown(columns: tuple[str, ...], rows: list[list[Any]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def goals(details: dict[str, Any]) -> str:
    """The table of what was aimed at, from all details on record."""
    return markdown(_GOAL_COLUMNS, [goal.row(details) for goal in GOALS])


def stamp() -> str:
    """One line that says where a table comes from."""
    here = machine()
    return f"Measured {here['at']} on {here['cores']} cores ({here['architecture']}), load average {here['load']}."


def _variants(lines: dict[str, Any], details: dict[str, Any]) -> str:
    rows = []
    for name, line in sorted(lines.items(), key=lambda item: item[1]["ratio"]):
        rows.append(
            [
                details["titles"][name],
                f"{line['cpu_us']:.0f}",
                details["ratios"][name],
                f"{line['overhead_us']:+.0f}",
                f"{line['rps']:.0f}",
                f"{line['p50_ms']:.0f}",
                f"{line['p99_ms']:.0f}",
                f"{line['spans']:.2f}, {line['logs']:.2f}, {line['points']:.3f}",
                f"{line['rss_mb']:.0f}",
                f"{line['start_cpu_s']:.2f}",
            ]
        )
    table = markdown(_COLUMNS, rows)
    return "\n\n".join([stamp(), table, *_remarks(lines, details)])


def _remarks(lines: dict[str, Any], details: dict[str, Any]) -> list[str]:
    said = [f"- {details['titles'][name]}: {gap}" for name, gap in details["gaps"].items() if name in lines]
    said += [f"- **not measured**: {reason}" for reason in details["missing"]]
    said += [f"- **not delivered**: {complaint}" for complaint in details["complaints"]]
    return ["\n".join(said)] if said else []


def _paired(lines: dict[str, Any], details: dict[str, Any]) -> str:
    rows = []
    for name, line in lines.items():
        sure = details["certainty"][name]
        rows.append(
            [
                name,
                f"{line['over_pct']:.1f} ({line['over_pct_low']:.1f} to {line['over_pct_high']:.1f})",
                f"{sure['over_pct_from']:.1f} to {sure['over_pct_to']:.1f}",
                f"{line['path_us']:.0f}",
                f"{line['thread_us']:.0f}",
                f"{details['raw']['idle_us'][name]:.0f}",
            ]
        )
    base = details["certainty"]["bare_us"]["median"]
    head = f"{stamp()} {details['rounds']} rounds; bare: {base:.0f} µs per request."
    said = [f"- **not delivered**: {complaint}" for complaint in details["complaints"]]
    return "\n\n".join([head, markdown(_PAIRED_COLUMNS, rows), *(["\n".join(said)] if said else [])])


def _micro(lines: dict[str, float], _details: dict[str, Any]) -> str:
    rows = [[name, f"{cost:.2f}"] for name, cost in lines.items()]
    return f"{stamp()}\n\n{markdown(('operation', 'CPU µs'), rows)}"


_LATEST = {"variants": _with_core, "peers": _with_peers, "paired": _with_paired}
_TABLES = {"variants": _variants, "peers": _variants, "paired": _paired, "micro": _micro}
