"""A reference page made from what the code declares: printed, written to a file, or compared with one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from otel_distro.cli.terminal import CommandError, say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

STALE = 1


def add_page_options(parser: argparse.ArgumentParser) -> None:
    """Let a command print its page (the default), print it as JSON, write it, or check a file against it."""
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--json", action="store_true", help="one JSON object on one line")
    choice.add_argument("--write", metavar="PATH", type=Path, help="write the page to a file")
    choice.add_argument("--check", metavar="PATH", type=Path, help="fail when the file differs from the page")


def deliver(page: str, arguments: argparse.Namespace) -> int:
    """Print, write or compare the page, as the options say."""
    if arguments.write:
        arguments.write.write_text(page, encoding="utf-8")
    elif arguments.check:
        _compare(page, arguments.check)
    else:
        say(page.rstrip("\n"))
    return 0


def _compare(page: str, path: Path) -> None:
    try:
        written = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", STALE) from error
    if written != page:
        raise CommandError(f"{path} is out of date: write it again with --write {path}", STALE)


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Markdown for a table; empty when there are no rows."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}", *lines, ""])


def code(text: str) -> str:
    """Markdown for a name; empty stays empty."""
    return f"`{text}`" if text else ""


def document(*parts: str) -> str:
    """Put a page together from its headings, paragraphs and tables, leaving out the empty ones."""
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"
