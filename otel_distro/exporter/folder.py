"""A process's own folder of spool files: held by a file lock, which the kernel frees with the process, however it ends.

Who gets the lock owns every file in the folder. So nothing is sent twice, and nothing of a dead process is left behind.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import contextmanager, suppress
from errno import EBUSY, ENOSPC
from secrets import token_hex
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAITS = ".otlp"
LEAVES = ".sending"
"""The suffix of a file that its holder is sending: nobody else drops it for room."""
KEEPS = ".kept"
"""The suffix of what its holder leaves only if it is killed."""
_LOCK = "lock"
_TRIES = 3


class Folder(NamedTuple):
    """A folder that this process holds."""

    path: Path
    descriptor: int


class File(NamedTuple):
    """A spool file as it is listed."""

    path: Path
    size: int

    @property
    def created(self) -> float:
        """When its first batch was written, by its name."""
        digits = self.path.name.partition("-")[0]
        return int(digits) / 1000 if digits.isdecimal() else 0.0


def make(parent: Path) -> Folder:
    """A new folder of this process."""
    for _ in range(_TRIES):  # another process may take the new folder for a dead one's before it is locked
        path = parent / f"{os.getpid()}-{token_hex(4)}"
        path.mkdir(mode=0o700)
        folder = take(path)
        if folder is not None:
            return folder
    raise OSError(EBUSY, "no folder could be locked", str(parent))


def take(path: Path) -> Folder | None:
    """The folder, unless a living process holds it, or it is gone."""
    try:
        descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:  # else its owner removed it just now
            return Folder(path, descriptor)
    os.close(descriptor)
    return None


def release(folder: Folder) -> None:
    """Let go; a folder in which nothing is left is removed, under the lock."""
    with suppress(OSError):
        if [found.name for found in folder.path.iterdir()] == [_LOCK]:
            (folder.path / _LOCK).unlink()
            folder.path.rmdir()
    os.close(folder.descriptor)


@contextmanager
def left_alone(file: File) -> Iterator[bool]:
    """Whether no living process is sending the file, nor will within the block."""
    held = None
    with suppress(OSError):
        held = take(file.path.parent) if file.path.suffix != WAITS else None
    try:
        yield held is not None or file.path.suffix == WAITS
    finally:
        if held is not None:
            release(held)


def private(path: Path) -> None:
    """Make a folder that only this user can look into, or raise where one is that others own or can look into."""
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(f"{path} is not a directory of this user with mode 0700")


def create(folder: Folder, number: int, suffix: str, created: float) -> File:
    """A new file; files sort by time and number."""
    file = File(folder.path / f"{int(created * 1000):013d}-{number:06d}{suffix}", 0)
    file.path.touch(mode=0o600, exist_ok=False)
    return file


def append(file: File, data: bytes) -> None:
    """All or nothing, as far as the disk lets us."""
    descriptor = os.open(file.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if os.write(descriptor, data) < len(data):
            os.ftruncate(descriptor, file.size)
            raise OSError(ENOSPC, os.strerror(ENOSPC))
    finally:
        os.close(descriptor)


def files(path: Path) -> list[File]:
    """The files in a process's folder; none when it is gone, or another user's."""
    with suppress(OSError), os.scandir(path) as entries:
        return [
            File(path / entry.name, entry.stat(follow_symlinks=False).st_size)
            for entry in entries
            if entry.name.endswith((WAITS, LEAVES, KEEPS))
        ]
    return []
