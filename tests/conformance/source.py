"""Upstream's tests and what they import, fetched once into the cache outside the tree."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tools.backends.pins import cache

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.suites import Suite

ROOT = Path(__file__).parent.parent.parent
UV = str(ROOT / "tools" / "uv")


def tests_of(suite: Suite) -> Path:
    """A folder with the `tests/` of the suite's source distribution."""
    return _cached(suite.requirement, lambda made: _unpack(_download(suite.requirement, made.parent), made))


def libraries_of(suite: Suite) -> Path:
    """A folder with what the suite's tests import besides: upstream's test utilities, and the libraries it names."""
    utilities = f"opentelemetry-test-utils=={version('opentelemetry-semantic-conventions')}"
    wanted = sorted([utilities, *suite.libraries])
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    name = hashlib.sha256(" ".join([python, *wanted]).encode()).hexdigest()[:12]
    return _cached(f"lib-{name}", lambda made: _install(made, "--no-deps", *wanted))


def fetched_library(requirement: str) -> Path:
    """A folder in the cache with this requirement and what it needs, for the installed SDK, to be put on a path."""
    sdk = f"opentelemetry-sdk=={version('opentelemetry-sdk')}"
    return _cached(f"{requirement}+{sdk}", lambda made: _install(made, requirement, sdk))


def _cached(name: str, make: Callable[[Path], None]) -> Path:
    folder = cache().parent / "conformance" / name
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent) as scratch:
            made = Path(scratch, "made")
            made.mkdir()
            make(made)
            try:
                made.rename(folder)
            except OSError:
                if not folder.exists():  # else another process, as of another Python, was first
                    raise
    return folder


def _install(target: Path, *arguments: str) -> None:
    _run(UV, "pip", "install", "--quiet", "--python", sys.executable, "--target", str(target), *arguments)


def _download(requirement: str, target: Path) -> Path:
    """The source distribution, by pip: uv has no command for it."""
    pip = [UV, "run", "--quiet", "--no-project", "--isolated", "--with", "pip", "python", "-m", "pip"]
    _run(*pip, "download", "--quiet", "--no-binary", ":all:", "--no-deps", "--dest", str(target), requirement)
    (found,) = target.glob("*.tar.gz")
    return found


def _unpack(archive: Path, target: Path) -> None:
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            member.name = member.name.partition("/")[2]
            if member.isfile() and member.name.startswith("tests/") and ".." not in member.name:
                packed.extract(member, target)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
