"""Spools as the tests have them, and what is in their folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time

from otel_distro.exporter.frame import Frame
from otel_distro.exporter.spool import Limits, Spool

AGE = 3600.0


def spool(folder: Path, max_bytes: int = 1 << 20, *, destination: str = "here", rate: float = 1e9) -> Spool:
    """A process's spool of traces."""
    return Spool(folder, "traces", destination, Limits(max_bytes, AGE, rate))


def batch(payload: bytes, items: int = 1, age: float = 0) -> Frame:
    """A batch of this age."""
    return Frame(payload, items, time() - age)


def drained(one: Spool) -> list[bytes]:
    """All payloads, in the order in which they leave."""
    found = []
    while frame := one.first():
        found.append(frame.payload)
        one.done()
    return found


def files(folder: Path) -> list[Path]:
    """All files of batches."""
    return sorted(path for path in folder.rglob("*") if path.suffix in {".otlp", ".sending"})


def looked(one: Spool) -> Spool:
    """The spool, after it looked at all files."""
    one._looks_at = 0
    one.look()
    return one


@contextmanager
def as_nobody(user: int = 65534) -> Iterator[None]:
    """As a user without privileges, where the tests run as root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(before)
