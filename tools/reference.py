"""The generated pages of docs/reference: `python -m tools.reference` writes them, `--check` compares them."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from otel_distro.cli import COMMANDS, settings, signals
from otel_distro.cli.page import code, document, table

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
CLI_HEAD = """# The command line

Generated from `otel_distro/cli/` by `make docs`: edit the commands, not this page."""


def main() -> int:
    """Write the pages, or say which are out of date."""
    parser = argparse.ArgumentParser(prog="python -m tools.reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a page is out of date")
    if not parser.parse_args().check:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for path, page in pages().items():
            path.write_text(page, encoding="utf-8")
        return 0
    stale = out_of_date()
    for path in stale:
        print(f"{path.name} is out of date: run make docs", file=sys.stderr)
    return 1 if stale else 0


def pages() -> dict[Path, str]:
    """Every generated page as it should be now."""
    made = {"signals": signals.page, "settings": settings.page, "cli": command_line}
    return {FOLDER / f"{name}.md": page() for name, page in made.items()}


def out_of_date() -> list[Path]:
    """The pages that are missing or differ from what the code declares."""
    return [path for path, page in pages().items() if not path.exists() or path.read_text("utf-8") != page]


def command_line() -> str:
    """The page of all commands, laid out by us: argparse's own layout differs between Python versions."""
    commands = argparse.ArgumentParser(prog="otel-distro").add_subparsers()
    for name in COMMANDS:
        importlib.import_module(f"otel_distro.cli.{name}").add(commands)
    briefs = {action.dest: action.help or "" for action in commands._choices_actions}  # noqa: SLF001 - no other way
    pages = (_command(name, briefs.get(name, ""), parser) for name, parser in commands.choices.items())
    return document(CLI_HEAD, *chain.from_iterable(pages))


def _command(name: str, brief: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f"## otel-distro {name}"
    yield f"{brief[:1].upper()}{brief[1:]}."
    yield table(("Argument", "Meaning"), (_argument(action) for action in _arguments(parser)))


def _arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.dest != "help"]  # noqa: SLF001 - argparse has no other way


def _argument(action: argparse.Action) -> tuple[str, str]:
    choices = "|".join(str(choice) for choice in action.choices or ())
    value = "" if action.nargs == 0 else choices or action.metavar or action.dest.upper()
    names = ", ".join(action.option_strings)
    shown = f"{names} {value}".strip() if names else str(action.metavar or action.dest)
    return code(shown), (action.help or "") % {"default": action.default}


if __name__ == "__main__":
    sys.exit(main())
