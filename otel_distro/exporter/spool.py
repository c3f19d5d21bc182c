"""The spool: batches that can't be delivered now wait on disk, and leave later, by this process or by another one.

    <directory>/<signal>-<destination>/<process>/<time>-<number>.otlp

Each process writes into a folder of its own (`folder.py`), so no two of them share a file; a folder whose process has
died is taken over by one that lives. Files hold frames (`frame.py`): a batch is appended by one write, without fsync.
What was written survives the process's SIGKILL; a crash of the kernel costs what it had not yet put on the disk.
"""

from __future__ import annotations

import logging
import os
from collections import Counter, deque
from contextlib import suppress
from errno import ENOSPC
from threading import Lock
from time import monotonic, time
from typing import TYPE_CHECKING, NamedTuple

from otel_distro.exporter import folder
from otel_distro.exporter.checkpoint import Checkpoint
from otel_distro.exporter.folder import LEAVES, WAITS, File
from otel_distro.exporter.frame import SENT, Frame, decode, encode
from otel_distro.exporter.inheritance import Inheritance

if TYPE_CHECKING:
    from pathlib import Path

    from otel_distro.exporter.folder import Folder

_logger = logging.getLogger("otel_distro")
_FILE_BYTES = 1024 * 1024
_FILE_SECONDS = 60.0
"""A file that is as large or old as this gets no more batches: files are dropped as a whole."""
_LOOK_SECONDS = 15.0
_STALE_SECONDS = 3600.0
"""Who sends a file drops by itself what becomes too old in it; a file as much older as this was left behind."""
_REST_SECONDS = 60.0
"""After a failure the disk is left alone for this time."""
_FREED = 16
"""A full spool frees this part of its size at once, so that not every write looks at all files."""


class Limits(NamedTuple):
    """Most bytes of a signal on disk (0: no spool), most seconds that a batch waits, most bytes sent in a second."""

    max_bytes: int
    max_age: float
    rate: float


class Spool:
    """One signal's batches on disk. Used by its sender's thread, and by one more when the sender shuts down."""

    def __init__(self, directory: Path, signal: str, destination: str, limits: Limits) -> None:
        self.directory = directory
        self.signal = signal
        self.limits = limits
        self.dropped: Counter[str] = Counter()
        """Items lost, by cause: `spool_full`, `too_old`, `unreadable`."""
        self._parent = directory / f"{signal}-{destination}"
        self._held: dict[Path, Folder] = {}
        self._inheritance = Inheritance(signal)
        self._clear()

    def reset(self) -> None:
        """Begin anew in a forked child: the parent's files stay the parent's."""
        for held in self._held.values():
            os.close(held.descriptor)
        self._clear()

    def _clear(self) -> None:
        self.dropped.clear()
        self._inheritance.reset()
        self.failure = ""
        """Why nothing can be written at present; empty when all is well."""
        self._held = {}
        self._own: Folder | None = None
        self._files: deque[File] = deque()
        self._number = 0
        self._open: Path | None = None
        self.kept = Checkpoint()
        """What another process sends if this one is killed."""
        self._leaving: File | None = None
        self._frames: deque[Frame] = deque()
        self._rests_until = 0.0
        self._looks_at = 0.0
        self._may_write = 0
        self._may_send = 0.0
        self._lock = Lock()

    @property
    def exists(self) -> bool:
        """Whether there may be something on disk, of whichever process."""
        with suppress(OSError):
            return self._parent.is_dir()
        return False

    @property
    def destination(self) -> Path:
        """Where batches for this endpoint wait, in a folder for each process."""
        return self._parent

    @property
    def waiting(self) -> bool:
        """Whether this process has batches on disk."""
        return bool(self._frames or self._files)

    @property
    def waiting_bytes(self) -> int:
        """Bytes on disk that this process holds."""
        leaving = self._leaving
        return sum(file.size for file in list(self._files)) + (leaving.size if leaving else 0)

    @property
    def waiting_files(self) -> int:
        """Files that this process holds."""
        return len(self._files) + (self._leaving is not None)

    @property
    def oldest_age(self) -> float:
        """Age in seconds of the oldest batch that this process holds; 0 when there is none."""
        oldest = self._leaving or next(iter(list(self._files)), None)
        return max(0.0, time() - oldest.created) if oldest else 0.0

    @property
    def due_in(self) -> float | None:
        """Seconds until a batch may leave without exceeding the rate; None when none waits."""
        return max(0.0, self._may_send - monotonic()) if self.waiting else None

    @property
    def looks_in(self) -> float | None:
        """Seconds until the files of all processes want to be looked at; None without a spool."""
        if not self.limits.max_bytes:
            return None
        return 0.0 if self.kept.due else max(0.0, max(self._looks_at, self._rests_until) - monotonic())

    # -- in

    def write(self, batch: Frame) -> bool:
        """Put a batch on disk; where that fails, `failure` says why, one line is logged, and the disk has a rest."""
        if not self.limits.max_bytes:
            return False
        before = self.failure
        with self._lock:
            if monotonic() < self._rests_until:
                return False
            try:
                self._append(encode(self.signal, batch), batch.created)
                self.failure = ""
            except OSError as error:
                self._open = None  # what stands at its end may be half a batch
                if self._own is not None and not self._own.path.exists():  # somebody emptied the directory
                    self._own = None
                self._rests_until = monotonic() + _REST_SECONDS
                self.failure = str(error)
        if self.failure and not before:  # not under the lock: handlers of the app may take their time
            _logger.warning(
                "OTEL_DISTRO_SPOOL_DIR=%s: %s can't wait on disk, they wait in memory: %s",
                self.directory,
                self.signal,
                self.failure,
            )
        return not self.failure

    def _append(self, data: bytes, created: float) -> None:
        if self._own is None:
            self._own = self._make()
        if len(data) > self._may_write or monotonic() >= self._looks_at:
            self._look(len(data))
            if len(data) > self._may_write:
                raise OSError(ENOSPC, "OTEL_DISTRO_SPOOL_MAX_BYTES, or the disk, has no room for a batch")
        last = self._files[-1] if self._files else None
        if last is None or last.path != self._open or _is_full(last, len(data)):
            last = self._new(self._own)
        try:
            folder.append(last, data)
        except FileNotFoundError:  # another process dropped it for room
            self._files.pop()
            last = self._new(self._own)
            folder.append(last, data)
        self._files[-1] = last._replace(size=last.size + len(data))
        self._may_write -= len(data)
        self.kept.covered(created)

    def keep(self, frame: Frame) -> None:
        """Take a checkpoint, for `checkpoint` to write."""
        self.kept.due = frame

    def checkpoint(self) -> None:
        """Write the checkpoint that is due; where that fails, the next one comes in seconds."""
        if self.kept.due is None or monotonic() < self._rests_until:
            self.kept.due = None
            return
        with self._lock, suppress(OSError):
            if self._own is None or not self._own.path.exists():
                self._own = self._make()
            self._number += 1
            self.kept.write(self._own, self.signal, self._number)
        self.kept.due = None

    def covered(self, created: float) -> None:
        """What was made then has left, or never will."""
        with self._lock:
            self.kept.covered(created)

    def _make(self) -> Folder:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.directory.stat().st_uid not in (0, os.geteuid()):
            raise PermissionError(f"{self.directory} belongs to another user")
        folder.private(self._parent)
        made = folder.make(self._parent)
        self._held[made.path] = made
        return made

    def _new(self, own: Folder) -> File:
        """The file that takes batches from now on; its name sorts behind all that this process wrote before."""
        self._number += 1
        file = folder.create(own, self._number, WAITS, time())
        self._files.append(file)
        self._open = file.path
        return file

    # -- out

    def first(self) -> Frame | None:
        """The oldest batch; what is too old, gone or damaged is passed over, and counted."""
        with self._lock:
            while True:
                too_old = time() - self.limits.max_age
                while self._frames and self._frames[0].created < too_old:
                    self.dropped["too_old"] += self._frames[0].items
                    self._next()
                if self._frames:
                    return self._frames[0]
                if not self._files:
                    self._release()
                    return None
                self._read(self._files[0])
                self._files.popleft()  # only now: whoever asks meanwhile is told that something waits

    def _read(self, file: File) -> None:
        """Claim the file by another name, so that nobody drops it meanwhile, and read it."""
        if file.path == self._open:
            self._open = None
        try:
            self._leaving = file._replace(path=file.path.rename(file.path.with_suffix(LEAVES)))
            contents = decode(self.signal, self._leaving.path.read_bytes())
        except FileNotFoundError:  # another process dropped and counted it
            self._leaving = None
        except OSError:
            self.dropped["unreadable"] += 1
            self._rests_until = monotonic() + _REST_SECONDS
            self._remove()
        else:
            self.dropped["unreadable"] += contents.unreadable
            self._frames.extend(contents.frames)
            if not self._frames:
                self._remove()

    def done(self) -> None:
        """The first batch has left, or never will: forget it."""
        with self._lock:
            if self._frames:
                first, size = self._frames[0], len(self._frames[0].payload)
                self._may_send = max(self._may_send, monotonic()) + size / self.limits.rate
                if self._leaving is not None and (self._own is None or self._leaving.path.parent != self._own.path):
                    self._inheritance.sent(size, first.created)
                self._next()

    def _next(self) -> None:
        offset = self._frames.popleft().offset
        if self._leaving is not None:
            with suppress(OSError):
                _mark(self._leaving, offset)
        if not self._frames:
            self._remove()

    def _remove(self) -> None:
        if self._leaving is not None:
            try:
                self._leaving.path.unlink(missing_ok=True)
            except OSError:
                self._rests_until = monotonic() + _REST_SECONDS
        self._leaving = None
        if not self.waiting:
            self._release()

    def _release(self) -> None:
        """Let go of folders, but not of the one in which a checkpoint is: else another process would send it."""
        own = self._own if self.kept.file else None
        for held in self._held.values():
            if held is not own:
                folder.release(held)
                self._looks_at = 0.0  # there may be more to take over
        self._held = {} if own is None else {own.path: own}
        self._own = own

    def close(self) -> None:
        """Let go of all files; another process may take what is left."""
        with self._lock:
            self.kept.covered(time())
            self._release()
            self._files.clear()
            self._frames.clear()
            self._leaving = None
        self._inheritance.tell()

    def rest(self) -> None:
        """It failed, by a fault of ours: leave the files as they are, and the disk alone for a while."""
        self._rests_until = monotonic() + _REST_SECONDS
        self.close()

    # -- all processes' files

    def look(self) -> None:
        """Now and then: drop what is too old or too much, whoever wrote it; take over what a dead process left."""
        self.checkpoint()
        if self.looks_in != 0:
            return
        with self._lock, suppress(OSError):
            found = self._look(0)
            if not self.waiting:
                self._adopt(found)
        if not self.waiting:
            self._inheritance.tell()

    def _look(self, more: int) -> list[Path]:
        """Make room for so many bytes more, and share what is free among all processes' folders until the next look."""
        self._looks_at = monotonic() + _LOOK_SECONDS
        found = list(self.directory.glob(f"{self.signal}-*/*"))
        files = sorted((file for path in found for file in folder.files(path)), key=_by_time)
        total = sum(file.size for file in files)
        limit = min(self.limits.max_bytes, total + _free(self.directory) // 2)
        goal = limit if total + more <= limit or more > limit else limit - max(limit // _FREED, more)
        too_old = time() - self.limits.max_age - _FILE_SECONDS
        for file in files:
            if file.created > too_old and total <= goal:
                break
            with folder.left_alone(file) as is_free:
                if is_free or file.created <= too_old - _STALE_SECONDS:
                    self._drop(file, "too_old" if file.created < too_old else "spool_full")
                    total -= file.size
        share = (limit - total) // (2 * max(1, len(found)))  # half: more processes may begin to write before we look
        self._may_write = max(share, more if total + more <= limit else 0)
        return found

    def _drop(self, file: File, cause: str) -> None:
        with suppress(OSError):  # above all: another process was faster, and counts it
            contents = decode(self.signal, file.path.read_bytes())
            file.path.unlink()
            self.dropped[cause] += sum(frame.items for frame in contents.frames)
            self.dropped["unreadable"] += contents.unreadable
        with suppress(ValueError):
            self._files.remove(file)

    def _adopt(self, paths: list[Path]) -> None:
        """Take over one folder of a process that has ended; what others leave is for other processes, or for later."""
        left = {path: sorted(file.path.name for file in folder.files(path)) for path in paths if path not in self._held}
        for path in sorted(left, key=left.__getitem__):
            if path.parent != self._parent and left[path]:
                continue
            with suppress(OSError):
                held = folder.take(path)
                if held is None:
                    continue
                files = folder.files(path)  # once more: its process lived until now
                if files:
                    self._held[path] = held
                    self._inheritance.taken()
                    self._files.extend(sorted(files, key=_by_time))
                    return
                folder.release(held)


def _by_time(file: File) -> str:
    return file.path.name


def _is_full(file: File, more: int) -> bool:
    return file.size + more > _FILE_BYTES or time() > file.created + _FILE_SECONDS


def _mark(file: File, offset: int) -> None:
    """Say that a frame has left, so that nobody sends it again if this process dies before the file is through."""
    descriptor = os.open(file.path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.pwrite(descriptor, SENT, offset)
    finally:
        os.close(descriptor)


def _free(directory: Path) -> int:
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize
