"""The application's own account: a line before each item, and one, synced to disk, when it is done."""

from __future__ import annotations

import os
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
        os.write(self._file, f"here {os.getpid()} -\n".encode())

    @contextmanager
    def item(self, item: object) -> Iterator[None]:
        """What is done in here was begun; it is done when its line is on the disk."""
        process = os.getpid()
        os.write(self._file, f"begun {process} {item}\n".encode())
        yield
        os.write(self._file, f"done {process} {item}\n".encode())
        os.fdatasync(self._file)
        self.done += 1
