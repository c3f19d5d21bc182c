"""A process's checkpoint: one batch on disk that another process sends if this one is killed, and nobody else."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from otel_distro.exporter import folder
from otel_distro.exporter.folder import KEEPS
from otel_distro.exporter.frame import encode

if TYPE_CHECKING:
    from otel_distro.exporter.folder import File, Folder
    from otel_distro.exporter.frame import Frame


class Checkpoint:
    """At most one file; its user has a lock. Each one written takes the place of the one before."""

    def __init__(self) -> None:
        self.due: Frame | None = None
        """What is to be written next."""
        self.file: File | None = None
        """What is on disk."""

    def write(self, own: Folder, signal: str, number: int) -> None:
        """Write what is due; OSError where that fails."""
        frame, self.due = self.due, None
        if frame is None:
            return
        before, self.file = self.file, folder.create(own, number, KEEPS, frame.created)
        folder.append(self.file, encode(signal, frame))
        if before is not None:  # only now: one that is cut short must not be the only one
            before.path.unlink(missing_ok=True)

    def covered(self, created: float) -> None:
        """What was made then is on its way: a checkpoint from before is of no use any more."""
        if self.due is not None and self.due.created <= created:
            self.due = None
        if self.file is not None and self.file.created <= created:
            with suppress(OSError):
                self.file.path.unlink()
            self.file = None
