"""`otel-distro traces` lists traces; `otel-distro trace ID` shows one with its log lines inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_distro.cli.database import add_database_option, database, open_query
from otel_distro.cli.render import trace_lines
from otel_distro.cli.terminal import CommandError, clock, cut, milliseconds, say, say_json, table

if TYPE_CHECKING:
    import argparse

NOT_FOUND = 1
DEFAULT_LIMIT = 20
NAME_CHARACTERS = 60


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `traces` and `trace`."""
    parser = commands.add_parser("traces", help="list the newest traces")
    parser.add_argument("--limit", type=int, default=DEFAULT_LIMIT, help="how many (default: %(default)s)")
    parser.add_argument("--service", help="only traces this service has a span in")
    parser.add_argument("--status", choices=("ok", "error"), help="only traces without, or with, a failed span")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    add_database_option(parser)
    parser.set_defaults(run=run_list)
    parser = commands.add_parser("trace", help="show a trace as a tree with its log lines inside")
    parser.add_argument("id", help="a trace id or a request id (X-Request-ID)")
    parser.add_argument("--json", action="store_true", help="one JSON object per trace and line")
    add_database_option(parser)
    parser.set_defaults(run=run_trace)


def run_list(arguments: argparse.Namespace) -> int:
    """List traces."""
    with open_query(arguments) as query:
        found = query.traces(max(0, arguments.limit), arguments.service, arguments.status)
    if arguments.json:
        for summary in found:
            say_json(summary)
        return 0
    rows = [
        (
            clock(summary.start_ns),
            summary.trace_id,
            cut(summary.name, NAME_CHARACTERS),
            cut(", ".join(summary.services), NAME_CHARACTERS),
            milliseconds(summary.duration_ms),
            str(summary.spans),
            str(summary.errors or ""),
            cut(summary.request_id or "", NAME_CHARACTERS),
        )
        for summary in found
    ]
    table(("START", "TRACE", "NAME", "SERVICES", "DURATION", "SPANS", "ERRORS", "REQUEST"), rows)
    return 0


def run_trace(arguments: argparse.Namespace) -> int:
    """Show a trace, or all traces of a request."""
    with open_query(arguments) as query:
        found = query.find_traces(arguments.id)
    if not found:
        message = f"no trace and no request {arguments.id[:100]} in {database(arguments)}"
        raise CommandError(message, NOT_FOUND)
    for number, trace in enumerate(found):
        if arguments.json:
            say_json(trace)
            continue
        if number:
            say()
        for line in trace_lines(trace):
            say(line)
    return 0
