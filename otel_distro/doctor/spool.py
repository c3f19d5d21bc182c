"""The spool: what waits on disk, of all processes of this user, and whether more can."""

from __future__ import annotations

import os
from time import time
from typing import TYPE_CHECKING, NamedTuple

from otel_distro import assembly
from otel_distro.config import SIGNALS
from otel_distro.doctor.problem import Problem
from otel_distro.exporter import folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from otel_distro.config import Settings
    from otel_distro.exporter.folder import File

_NEARLY_FULL = 0.9


class Waiting(NamedTuple):
    """What waits of one signal; `elsewhere`: of that, the bytes that are for other endpoints or headers than now.

    That is no problem by itself: all apps of a user share the directory, unless told otherwise.
    """

    signal: str
    files: int = 0
    bytes: int = 0
    oldest_seconds: float = 0.0
    elsewhere: int = 0


class SpoolState(NamedTuple):
    """The directory, most bytes of each signal in it (0: there is no spool), and what waits."""

    directory: str
    max_bytes: int
    writable: bool
    waiting: tuple[Waiting, ...]


def spool_state(settings: Settings) -> SpoolState:
    """As it is now; nothing is made or changed."""
    spools = {signal: assembly.spool_of(settings, signal) for signal in SIGNALS}
    directory = next(iter(spools.values())).directory
    waiting = tuple(_waiting(signal, directory, spool.destination) for signal, spool in spools.items())
    return SpoolState(str(directory), settings.spool_max_bytes, _is_writable(directory), waiting)


def _waiting(signal: str, directory: Path, destination: Path) -> Waiting:
    found: Iterator[File] = (file for path in directory.glob(f"{signal}-*/*") for file in folder.files(path))
    files = [file for file in found if file.path.suffix != folder.KEEPS]
    oldest = min((file.created for file in files), default=0.0)
    other = sum(file.size for file in files if file.path.parent.parent != destination)
    age = round(time() - oldest, 1) if oldest else 0.0
    return Waiting(signal, len(files), sum(file.size for file in files), age, other)


def _is_writable(directory: Path) -> bool:
    """Whether it, or the first folder above it that exists, takes something new."""
    for path in (directory, *directory.parents):
        if path.exists():
            return path.is_dir() and os.access(path, os.W_OK | os.X_OK)
    return False


def problems(state: SpoolState) -> Iterator[Problem]:
    """What would be lost while an endpoint is away."""
    if not state.max_bytes:
        return
    if not state.writable:
        yield Problem("spool", f"OTEL_DISTRO_SPOOL_DIR={state.directory} can't be written: batches wait in memory only")
    for one in state.waiting:
        if one.bytes > _NEARLY_FULL * state.max_bytes:
            yield Problem(
                "spool",
                f"{one.signal}: {one.bytes} of {state.max_bytes} bytes (OTEL_DISTRO_SPOOL_MAX_BYTES) are used, "
                "the oldest batches are dropped",
            )
