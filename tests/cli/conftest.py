"""A store with telemetry of the SDK, and the command line to read it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otel_distro.cli import main
from tests.viewer.client import Client

COMMAND = Path(sys.executable).with_name("otel-distro")


class Terminal:
    """Runs commands on one store."""

    def __init__(self, path: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self._capture = capture

    def __call__(self, *arguments: str) -> str:
        """Run a command that succeeds and return what it wrote to stdout."""
        assert main([*arguments, "--db", str(self.path)]) == 0
        return self._capture.readouterr().out

    def json(self, *arguments: str) -> list[dict[str, Any]]:
        """Run a command with --json and return its objects."""
        return [json.loads(line) for line in self(*arguments, "--json").splitlines()]

    def fails(self, *arguments: str) -> tuple[int, str]:
        """Run a command and return its exit code and the one line it wrote to stderr."""
        code = main([*arguments, "--db", str(self.path)])
        captured = self._capture.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        return code, captured.err.rstrip()


@pytest.fixture
def viewer(tmp_path: Path) -> Client:
    """A running viewer."""
    return Client(tmp_path / "viewer.db")


@pytest.fixture
def terminal(viewer: Client, capsys: pytest.CaptureFixture[str]) -> Callable[[], Terminal]:
    """The command line on what the viewer has received so far."""

    def stored() -> Terminal:
        viewer.close()
        return Terminal(viewer.path, capsys)

    return stored


@pytest.fixture
def run() -> Callable[..., subprocess.CompletedProcess[str]]:
    """The installed command as its own process."""

    def started(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(COMMAND), *arguments],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return started
