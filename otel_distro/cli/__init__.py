"""The command line: `otel-distro COMMAND`. Each command is a file of this folder that adds its own parser."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import TYPE_CHECKING, Protocol, cast

from otel_distro._version import __version__
from otel_distro.cli.terminal import CommandError, complain, prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (
    "demo",
    "viewer",
    "traces",
    "logs",
    "metrics",
    "signals",
    "settings",
    "doctor",
)


class Command(Protocol):
    """What a command's module offers: `add` adds its parsers, each with a `run` default to call."""

    def add(self, commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
        """Add parsers to `commands`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    prepare()
    parser = argparse.ArgumentParser(prog="otel-distro", description="OpenTelemetry for FastAPI, SQLAlchemy and Celery")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in COMMANDS:
        cast("Command", importlib.import_module(f"otel_distro.cli.{name}")).add(commands)
    parsed = parser.parse_args(arguments)
    try:
        code = int(parsed.run(parsed))
        sys.stdout.flush()
    except CommandError as error:
        complain(str(error))
        return error.code
    except BrokenPipeError:
        # `otel-distro logs | head`: the reader has enough. Python must not complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    return code
