"""`otel-distro metrics`: the metrics' names, or the series of those that are named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_distro.cli.database import add_database_option, open_query
from otel_distro.cli.terminal import CommandError, clean, cut, say, say_json, table

if TYPE_CHECKING:
    import argparse

    from otel_distro.viewer.answer import Metric, Series

NOT_FOUND = 1
TEXT_CHARACTERS = 80


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `metrics`."""
    parser = commands.add_parser("metrics", help="list metrics, or show the series of those named")
    parser.add_argument("name", nargs="*", help="a metric's name, for example http.server.request.duration")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    add_database_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List metrics, or show series."""
    with open_query(arguments) as query:
        if not arguments.name:
            _list(query.metrics(), as_json=arguments.json)
            return 0
        named = {name: query.series(name) for name in arguments.name}
    missing = [name for name, series in named.items() if not series]
    if missing:
        raise CommandError(f"no metric {', '.join(missing)} in the store", NOT_FOUND)
    for name, series in named.items():
        if not arguments.json:
            say(f"{clean(name)} ({series[0].type}, {clean(series[0].unit)})")
        for one in series:
            (say_json if arguments.json else _say_series)(one)
    return 0


def _list(metrics: tuple[Metric, ...], *, as_json: bool) -> None:
    if as_json:
        for metric in metrics:
            say_json(metric)
        return
    rows = [(_text(one.name), one.type, clean(one.unit), str(one.series), _text(one.description)) for one in metrics]
    table(("NAME", "TYPE", "UNIT", "SERIES", "DESCRIPTION"), rows)


def _say_series(series: Series) -> None:
    attributes = ", ".join(f"{key}={_text(value)}" for key, value in series.attributes.items())
    facts = {
        "value": series.value,
        "count": series.count,
        "sum": series.sum,
        "min": series.min,
        "max": series.max,
    }
    shown = "  ".join(f"{name} {_number(value)}" for name, value in facts.items() if value is not None)
    say(f"  [{clean(series.service)}] {clean(attributes) or '-'}")
    say(f"      {shown}")
    for exemplar in series.exemplars[:1]:
        say(f"      exemplar {_number(exemplar.value)} in trace {exemplar.trace_id}")


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def _text(value: Any) -> str:
    return cut(value, TEXT_CHARACTERS)
