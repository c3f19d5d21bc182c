"""`otel-distro doctor`: what an app in this environment would have, and what is wrong with it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from otel_distro.cli.terminal import clean, cut, say, say_json, table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from otel_distro.doctor import Report
    from otel_distro.doctor.exporters import Probe
    from otel_distro.doctor.instrumentations import Instrumentation

PROBLEMS = 1
TIMEOUT = 3.0
VALUE_CHARACTERS = 70
_OPENTELEMETRY = "opentelemetry-"
_SHOWN = tuple(f"{_OPENTELEMETRY}{name}" for name in ("api", "sdk", "instrumentation", "exporter-otlp"))
_UNITS = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10}
_ANSWER = {True: "", False: "NO: ", None: ""}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `doctor`."""
    parser = commands.add_parser("doctor", help="say what an app would have in this environment, and what is wrong")
    parser.add_argument("--json", action="store_true", help="everything as one JSON object")
    parser.add_argument(
        "--timeout", type=float, default=TIMEOUT, help="seconds that an endpoint has to answer (default: %(default)s)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Examine; 1 when there is a problem."""
    from otel_distro.doctor import examine  # it imports what it examines

    report = examine(max(0.1, arguments.timeout))
    if arguments.json:
        say_json({"ok": not report.problems, **plain(report)})
    else:
        _say(report)
    return PROBLEMS if report.problems else 0


def plain(value: Any) -> Any:
    """What was found as JSON knows it."""
    named: Any = getattr(value, "_asdict", None)
    if named is not None:
        return {key: plain(one) for key, one in named().items()}
    return [plain(one) for one in value] if isinstance(value, tuple) else value


def _say(report: Report) -> None:
    versions = report.versions
    say(f"otel-distro {versions.otel_distro}{' with native encoders' if versions.native else ''}, {versions.python}")
    shown = (
        f"{name.removeprefix(_OPENTELEMETRY)} {versions.packages[name]}" for name in _SHOWN if name in versions.packages
    )
    say(f"OpenTelemetry {', '.join(shown)}")
    _section(
        "SETTING VALUE SOURCE",
        [
            (one.name, cut(one.value, VALUE_CHARACTERS), one.variable)
            for one in report.settings
            if one.source == "environment"
        ],
        "all settings have their defaults",
    )
    _section("INSTRUMENTATION STATE LIBRARY BY", [_row(one) for one in report.instrumentations], "none")
    _section(
        "SIGNAL EXPORTER ENDPOINT ANSWER",
        [
            (one.signal, one.exporter, one.endpoint or one.package, f"{_ANSWER[one.answers]}{clean(_said(one))}")
            for one in report.exporters
        ],
        "nothing is exported",
    )
    _spool(report)
    _section("INSTALLED VERSION BESIDE", [(one.package, one.version, one.note) for one in report.others], "")
    say()
    if not report.problems:
        say("no problems")
    for problem in report.problems:
        say(f"PROBLEM  {problem.about}: {clean(problem.text)}")


def _row(one: Instrumentation) -> tuple[str, ...]:
    state = f"on{f', {one.note}' if one.note else ''}" if one.on else f"off: {clean(one.reason)}"
    return one.name, state, ", ".join(f"{name} {number}" for name, number in one.libraries.items()), one.package


def _spool(report: Report) -> None:
    spool = report.spool
    say()
    if not spool.max_bytes:
        say("no spool (OTEL_DISTRO_SPOOL_MAX_BYTES=0)")
        return
    say(f"spool {clean(spool.directory)}, at most {size(spool.max_bytes)} of each signal")
    for one in spool.waiting:
        if one.files:
            age = timedelta(0, one.oldest_seconds // 1)
            other = f"; {size(one.elsewhere)} for other endpoints, or with other headers, than set now"
            say(f"  {one.signal}: {size(one.bytes)}, the oldest {age} old{other if one.elsewhere else ''}")


def _said(probe: Probe) -> str:
    """What an endpoint said; it is named already."""
    said = probe.detail.removeprefix(probe.endpoint)
    return said if said == probe.detail else said.partition(")")[2].removeprefix(":").strip()


def size(count: int) -> str:
    """A number of bytes for reading."""
    for unit, factor in _UNITS.items():
        if count >= factor:
            return f"{count / factor:.4g} {unit}"
    return f"{count} bytes"


def _section(heads: str, rows: Sequence[tuple[str, ...]], instead: str) -> None:
    if rows:
        say()
        table(tuple(heads.split()), rows)
    elif instead:
        say()
        say(instead)
