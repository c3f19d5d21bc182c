"""The build tool: pinned, cached, and plain about what it can't do."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.backends import BACKENDS, Backend, BackendError, build, program

ROOT = Path(__file__).parent.parent.parent


def tool(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `python -m tools.backends`, with another PATH when one is given."""
    environment = os.environ | ({} if path is None else {"PATH": path})
    command = [sys.executable, "-m", "tools.backends", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("name", "version"),
    [("otelcol-contrib", "0.159.0"), ("prometheus", "3.14.0"), ("promtool", "3.14.0"), ("loki", "3.7.6")],
)
def test_a_program_says_the_pinned_version(name: str, version: str) -> None:
    """What was built is what was pinned."""
    answer = subprocess.run([program(name), "--version"], capture_output=True, text=True, check=True)
    assert version in answer.stdout + answer.stderr


@pytest.mark.e2e
def test_a_second_build_needs_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cached backend is found without Go, without a network, at no cost."""
    folders = {name: build(backend) for name, backend in BACKENDS.items()}
    again = tool("build", *BACKENDS, path="/nowhere")
    assert again.returncode == 0, again.stderr
    assert again.stdout.split() == [str(folder) for folder in folders.values()]


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
def test_a_changed_pin_is_another_build(backend: Backend, tmp_path: Path) -> None:
    """Each pin file decides where the result is kept, so a stale one is never used."""
    for number, pin in enumerate(backend.pins):
        changed = tmp_path / f"{number}"
        changed.write_bytes(pin.read_bytes() + b"\n")
        pins = (*backend.pins[:number], changed, *backend.pins[number + 1 :])
        assert dataclasses.replace(backend, pins=pins).folder != backend.folder


def test_the_cache_is_outside_the_tree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """OTEL_DISTRO_CACHE says where; without it the user's cache is taken."""
    backend = BACKENDS["loki"]
    monkeypatch.delenv("OTEL_DISTRO_CACHE", raising=False)
    assert ROOT not in backend.folder.parents
    monkeypatch.setenv("OTEL_DISTRO_CACHE", str(tmp_path))
    assert backend.folder.parent == tmp_path / "backends"


def test_an_unknown_program_is_an_error() -> None:
    """The message lists what there is."""
    with pytest.raises(BackendError, match=r"no such program: tempo .*promtool"):
        program("tempo")


def test_a_missing_server_names_the_command_to_type() -> None:
    """Where apt-get can't help, the user is told what to do; nothing is skipped."""
    answer = tool("path", "redis-server", path="/nowhere")
    assert answer.returncode == 1
    assert "apt-get install -y --no-install-recommends redis-server" in answer.stderr
