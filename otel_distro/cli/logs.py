"""`otel-distro logs`: log records by trace, request, service, level or text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_distro.cli.database import add_database_option, open_query
from otel_distro.cli.render import log_text
from otel_distro.cli.terminal import clean, clock, cut, say, say_json
from otel_distro.viewer.query import LogFilter

if TYPE_CHECKING:
    import argparse

    from otel_distro.viewer.answer import Log

LEVELS = {"trace": 1, "debug": 5, "info": 9, "warning": 13, "error": 17, "critical": 21}
DEFAULT_LIMIT = 100
ID_CHARACTERS = 40


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `logs`."""
    parser = commands.add_parser("logs", help="show log records, the newest last")
    parser.add_argument("--trace", metavar="ID", help="only of this trace")
    parser.add_argument("--request", metavar="ID", help="only of this request (X-Request-ID)")
    parser.add_argument("--service", help="only of this service")
    parser.add_argument("--level", choices=tuple(LEVELS), help="only this level and above")
    parser.add_argument("--text", help="only with this text in the body")
    parser.add_argument("--limit", type=int, default=DEFAULT_LIMIT, help="the newest so many (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    add_database_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show log records."""
    level = LEVELS.get(arguments.level, 0)
    wanted = LogFilter(arguments.trace, arguments.request, arguments.service, level, arguments.text)
    with open_query(arguments) as query:
        found = query.logs(wanted, max(0, arguments.limit))
    for log in found:
        if arguments.json:
            say_json(log)
        else:
            say(_line(log))
    return 0


def _line(log: Log) -> str:
    parts = [clock(log.time_ns), f"[{clean(log.service)}]", log_text(log)]
    if log.request_id:
        parts.append(f"request={cut(log.request_id, ID_CHARACTERS)}")
    if log.trace_id:
        parts.append(f"trace={log.trace_id}")
    return "  ".join(parts)
