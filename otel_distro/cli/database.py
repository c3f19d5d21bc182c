"""Which store file a command works on: `--db`, else the setting, else viewer.db in the cache directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from otel_distro import config
from otel_distro.cli.terminal import CommandError
from otel_distro.viewer.query import Query
from otel_distro.viewer.schema import StoreError

if TYPE_CHECKING:
    import argparse

SETTING = "OTEL_DISTRO_VIEWER_DB"
DEMO_NAME = "demo.db"


def add_database_option(parser: argparse.ArgumentParser) -> None:
    """Add `--db`."""
    parser.add_argument("--db", type=Path, metavar="FILE", help=f"the store file (default: {SETTING})")


def database(arguments: argparse.Namespace) -> Path:
    """Return the path of the store."""
    given: Path | None = arguments.db
    return given.expanduser() if given is not None else default_database()


def default_database() -> Path:
    """Return the path of the store when the command line names none."""
    settings = config.current()
    return settings.viewer_db or settings.cache_dir / "viewer.db"


def demo_database() -> Path:
    """Return where the last demo's store is kept."""
    return default_database().with_name(DEMO_NAME)


def open_query(arguments: argparse.Namespace) -> Query:
    """Open the store for reading, or raise CommandError that says what to do."""
    path = database(arguments)
    try:
        return Query(path)
    except StoreError as error:
        raise CommandError(f"{error} ({_advice(path)})") from error


def unwritable(error: StoreError) -> CommandError:
    """Return the one line for a store that cannot be written."""
    return CommandError(f"{error} (set {SETTING} or --db to a file that can be written)")


def _advice(path: Path) -> str:
    demo = demo_database()
    if not path.exists() and demo.exists():
        return f"the last demo's is read by --db {demo}"
    return f"`otel-distro view` fills one; {SETTING} or --db names another"
