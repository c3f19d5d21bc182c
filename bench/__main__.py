"""`python -m bench COMMAND`: see `--help`, and docs/performance.md for what the numbers mean."""

from __future__ import annotations

import argparse
import sys

from bench import commands
from bench.error import BenchError


def main() -> int:
    """Run one command; what goes wrong is one clear message and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=sys.modules[__name__].__doc__)
    kinds = parser.add_subparsers(dest="command", required=True)
    for name, command in commands.COMMANDS.items():
        kind = kinds.add_parser(name, help=command.brief.replace("%", "%%"))
        kind.set_defaults(run=command.run)
        for flag, (default, text) in command.flags.items():
            kind.add_argument(f"--{flag}", type=type(default), default=default, help=f"{text} (default: {default})")
    arguments = vars(parser.parse_args())
    arguments.pop("command")
    run = arguments.pop("run")
    try:
        return int(run(**{name.replace("-", "_"): value for name, value in arguments.items()}))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
