"""The SDK's own trace tests from its source distribution: fetched once into the cache, run under either provider."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree as ET

from tools.backends.pins import cache

ROOT = Path(__file__).parent.parent.parent
REPLACEMENT = Path(__file__).parent / "replacement"
UV = str(ROOT / "tools" / "uv")


def fetched() -> Path:
    """A folder with `tests/` of the installed SDK version and `lib/`, what these tests import besides."""
    sdk, tools = version("opentelemetry-sdk"), version("opentelemetry-semantic-conventions")
    folder = cache().parent / "conformance" / sdk
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent) as scratch:
            made = Path(scratch, "made")
            _install(made / "lib", "--no-deps", f"opentelemetry-test-utils=={tools}")
            _unpack(_download(f"opentelemetry-sdk=={sdk}", Path(scratch)), made)
            made.rename(folder)
    return folder


def outcomes(*, ours: bool) -> dict[str, str]:
    """How each test of `tests/trace` ended, by its id: passed, failed or skipped."""
    folder = fetched()
    with TemporaryDirectory() as scratch:
        report = Path(scratch, "report.xml")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-c",
            os.devnull,
            "--rootdir",
            str(folder),
            "-p",
            "no:cacheprovider",
        ]
        command += ["-p", "no:asyncio", "-p", "no:hypothesispytest", f"--junitxml={report}", "tests/trace"]
        run = subprocess.run(
            command, cwd=folder, env=environment(ours=ours), capture_output=True, text=True, check=False, timeout=300
        )
        assert report.exists(), run.stdout + run.stderr
        cases = ET.parse(report).getroot().iter("testcase")
        return {f"{case.get('classname')}::{case.get('name')}": _outcome(case) for case in cases}


def environment(*, ours: bool) -> dict[str, str]:
    """The environment in which the suite runs, and what it starts: with our provider in the SDK's place or not."""
    paths = [*([str(REPLACEMENT)] if ours else []), str(fetched() / "lib"), str(ROOT)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTEST_", "COV_"))}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return kept | {"PYTHONPATH": os.pathsep.join(paths), "PATH": programs}


def _outcome(case: ET.Element) -> str:
    kinds = {child.tag for child in case}
    if kinds & {"failure", "error"}:
        return "failed"
    return "skipped" if "skipped" in kinds else "passed"


def fetched_library(requirement: str) -> Path:
    """A folder in the cache with this requirement and what it needs, for the installed SDK, to be put on a path."""
    sdk = f"opentelemetry-sdk=={version('opentelemetry-sdk')}"
    folder = cache().parent / "conformance" / f"{requirement}+{sdk}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent) as scratch:
            _install(Path(scratch, "made"), requirement, sdk)
            Path(scratch, "made").rename(folder)
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
