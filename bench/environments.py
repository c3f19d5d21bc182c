"""The virtual environments of the variants: one for each lock file, in the cache outside the tree."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.error import BenchError
from tools.backends.pins import cache

HERE = Path(__file__).parent
ROOT = HERE.parent
PYTHON = "3.11"
"""All locks were resolved for it."""

_COMPLETE = ".complete"
_TREE = ".tree"


@dataclass(frozen=True)
class Environment:
    """One lock file, installed; with `tree` the working tree besides, built and installed as a user's pip would."""

    name: str
    lock: str = ""
    tree: bool = False

    @property
    def lock_file(self) -> Path:
        """The pins."""
        return HERE / "locks" / f"{self.lock or self.name}.txt"

    @property
    def folder(self) -> Path:
        """Where it is, or will be: a new folder for each change of a pin."""
        digest = hashlib.sha256(PYTHON.encode() + self.lock_file.read_bytes()).hexdigest()[:12]
        return cache().parent / "bench" / f"{self.name}-{digest}"

    def program(self, name: str) -> Path:
        """One of its programs."""
        return self.folder / "bin" / name

    def ready(self) -> None:
        """Make it unless it is there, and put the working tree in when that has changed."""
        if not (self.folder / _COMPLETE).exists():
            self._make()
        if self.tree:
            self._install_tree()

    def _make(self) -> None:
        say(f"making the environment of {self.name}")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        _uv("venv", "--quiet", "--python", PYTHON, str(self.folder))
        self._install("--requirements", str(self.lock_file))
        (self.folder / _COMPLETE).touch()

    def _install_tree(self) -> None:
        mark, state = self.folder / _TREE, _state_of_tree()
        if mark.exists() and mark.read_text("utf-8") == state:
            return
        self._install("--no-deps", "--no-cache", "--reinstall-package", "otel-distro", str(ROOT))
        mark.write_text(state, "utf-8")

    def _install(self, *arguments: str) -> None:
        _uv(
            "pip",
            "install",
            "--quiet",
            "--compile-bytecode",
            "--python",
            str(self.program("python")),
            *arguments,
        )


def _state_of_tree() -> str:
    digest = hashlib.sha256((ROOT / "pyproject.toml").read_bytes())
    digest.update(os.environ.get("OTEL_DISTRO_NATIVE", "").encode())  # `off` builds a pure wheel: to compare
    for path in sorted([*(ROOT / "otel_distro").rglob("*.py"), *(ROOT / "native").glob("*.*")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _uv(*arguments: str) -> None:
    done = subprocess.run(
        [str(ROOT / "tools" / "uv"), *arguments], capture_output=True, text=True, check=False, cwd=HERE
    )
    if done.returncode != 0:
        raise BenchError(f"uv {arguments[0]} failed:\n{done.stderr[-2000:]}")


def say(text: str) -> None:
    """Tell what goes on, beside the results."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
