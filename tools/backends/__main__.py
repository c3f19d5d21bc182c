"""``python -m tools.backends build | path | env | list``."""

from __future__ import annotations

import argparse
import sys

from tools.backends import BACKENDS, BackendError, build, program, server
from tools.backends.debian import PACKAGES


def main() -> int:
    """Run one command; a backend that can't be had is one clear message and exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.backends", description="The real servers of the e2e tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    builds = commands.add_parser("build", help="compile into the cache what is not there, and check Debian's servers")
    builds.add_argument("names", nargs="*", choices=[*BACKENDS, []], help="all when none is named")
    path = commands.add_parser("path", help="print the path of one program, building or installing it when missing")
    path.add_argument("name", choices=[*_programs(), *PACKAGES])
    commands.add_parser("env", help="print PATH with all built programs, for eval in a shell")
    commands.add_parser("list", help="print what is pinned and whether it is cached")
    try:
        return _run(parser.parse_args())
    except BackendError as error:
        print(f"backends: {error}", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace) -> int:
    if arguments.command == "build":
        for name in arguments.names or BACKENDS:
            print(build(BACKENDS[name]))
        for name in () if arguments.names else PACKAGES:
            print(server(name))
    elif arguments.command == "path":
        print(server(arguments.name) if arguments.name in PACKAGES else program(arguments.name))
    elif arguments.command == "env":
        print(f'export PATH="{":".join(str(build(backend)) for backend in BACKENDS.values())}:$PATH"')
    else:
        for backend in BACKENDS.values():
            state = "cached" if backend.folder.exists() else "not built"
            print(f"{backend.name:<12}{backend.version:<10}{backend.fingerprint}  {state}")
    return 0


def _programs() -> list[str]:
    return [name for backend in BACKENDS.values() for name in backend.programs]


if __name__ == "__main__":
    sys.exit(main())
