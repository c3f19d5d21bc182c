"""The application's own account: a line before each item, and one, synced to disk, when it is done."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Journal:
    """One file for all processes: each line is one write to its end."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.done = 0
        """Items of this process."""

    def here(self) -> None:
        """This process does items, or would."""
        self._write("here", "-")

    def _write(self, what: str, item: object) -> None:
        os.write(self._file, f"{what} {os.getpid()} {time.time()} {item}\n".encode())

    @contextmanager
    def item(self, item: object) -> Iterator[None]:
        """What is done in here was begun; it is done when its line is on the disk."""
        self._write("begun", item)
        yield
        self._write("done", item)
        os.fdatasync(self._file)
        self.done += 1
