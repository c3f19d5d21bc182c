"""Compile a backend into the cache; a second run finds it there and does nothing."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.backends.error import BackendError
from tools.backends.pins import BACKENDS, HERE, MANIFEST, Backend
from tools.backends.toolchain import environment, go


def program(name: str) -> Path:
    """Return the path of one program (``promtool`` ...), building its backend when it is not cached."""
    for backend in BACKENDS.values():
        if name in backend.programs:
            return build(backend) / name
    known = ", ".join(sorted(name for backend in BACKENDS.values() for name in backend.programs))
    raise BackendError(f"no such program: {name} (known: {known})")


def build(backend: Backend) -> Path:
    """Return the folder with the backend's programs, compiling them first when a pin has changed."""
    if _complete(backend):
        return backend.folder
    backend.folder.parent.mkdir(parents=True, exist_ok=True)
    with _lock(backend):
        if not _complete(backend):  # else another process built it while we waited
            _compile(backend)
    return backend.folder


def _complete(backend: Backend) -> bool:
    return all((backend.folder / name).is_file() for name in backend.programs)


@contextmanager
def _lock(backend: Backend) -> Iterator[None]:
    with backend.folder.with_name(f"{backend.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _compile(backend: Backend) -> None:
    started = time.monotonic()
    _say(f"building {backend.name} {backend.version} (minutes when cold)")
    with tempfile.TemporaryDirectory(dir=backend.folder.parent, prefix=f"{backend.name}-build-") as scratch:
        module, result = Path(scratch, "module"), Path(scratch, "bin")
        result.mkdir()
        command = go()
        if backend.module.joinpath("go.mod").exists():
            shutil.copytree(backend.module, module)
        else:
            module = _generate(backend, command, Path(scratch))
        for name, package in backend.programs.items():
            _run(_go_build(command, backend.stamp, result / name, package), module, command)
        shutil.rmtree(backend.folder, ignore_errors=True)
        result.replace(backend.folder)
    _say(f"built {backend.name} {backend.version} in {time.monotonic() - started:.0f} s: {backend.folder}")


def _generate(backend: Backend, command: Path, scratch: Path) -> Path:
    """Let ocb write the Collector's main module from the builder manifest."""
    ocb = scratch / "ocb"
    builder = scratch / "builder"
    shutil.copytree(HERE / "builder", builder)
    _run(_go_build(command, "", ocb, "go.opentelemetry.io/collector/cmd/builder"), builder, command)
    shutil.copy(MANIFEST, scratch)
    generated = scratch / "_build"
    generated.mkdir()
    shutil.copy(backend.module / "go.sum", generated)
    _run([str(ocb), "--config", MANIFEST.name, "--skip-compilation"], scratch, command)
    return generated


def _go_build(command: Path, stamp: str, output: Path, package: str) -> list[str]:
    flags = f"-s -w -X {stamp}" if stamp else "-s -w"
    return [
        str(command),
        "build",
        "-trimpath",
        "-buildvcs=false",
        "-ldflags",
        flags,
        "-o",
        str(output),
        package,
    ]


def _run(arguments: list[str], folder: Path, command: Path) -> None:
    """Run a build step; once more when it fails, since one of a thousand downloads may time out."""
    for last in (False, True):
        done = subprocess.run(
            arguments, cwd=folder, env=environment(command), stderr=subprocess.PIPE, text=True, check=False
        )
        if done.returncode == 0:
            return
        tail = "\n".join(line for line in done.stderr.splitlines() if not line.startswith("go: downloading"))[-3000:]
        if last:
            raise BackendError(f"{' '.join(arguments[:2])} failed in {folder.name}:\n{tail}")
        _say(f"{Path(arguments[0]).name} failed, trying once more:\n{tail}")


def _say(text: str) -> None:
    print(f"backends: {text}", file=sys.stderr, flush=True)
