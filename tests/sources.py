"""The tree's own files, for the tests that read them."""

from __future__ import annotations

import ast
import os
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "otel_distro"
ROOMS = ("otel_distro", "tests", "tools", "examples", "docs", "collector", "deploy", ".ci")


def files(*rooms: str, suffix: str = "") -> list[Path]:
    """Every file below these folders of the tree, without caches and what git ignores by name."""
    found = [path for room in rooms for path in _walk(ROOT / room) if path.name.endswith(suffix)]
    return sorted(found)


def modules() -> dict[str, ast.Module]:
    """By path below the package: every module of the distribution, parsed."""
    return {path.relative_to(PACKAGE).as_posix(): parsed(path) for path in files("otel_distro", suffix=".py")}


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text("utf-8"), str(path))


def text_files() -> list[Path]:
    """Every file of the tree that we write by hand, at the top and in the rooms."""
    written = {"uv.lock", ".git"}  # the latter is a file in a tree that `git worktree` made
    top = [path for path in ROOT.iterdir() if path.name not in written and not path.name.startswith(".coverage")]
    top = [path for path in top if path.is_file()]
    return [path for path in (*top, *files(*ROOMS)) if path.suffix not in {".sum", ".pyc"}]


def _walk(folder: Path) -> list[Path]:
    found = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
        found += [Path(where, name) for name in names]
    return found
