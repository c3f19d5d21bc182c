"""The console: whole lines to the process's stdout, never in the way of the app for long."""

from __future__ import annotations

import os
import select
import stat
import threading
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

from otel_distro import config
from otel_distro.logs.json_line import json_lines
from otel_distro.logs.stream import line_format, stdout_descriptor
from otel_distro.logs.text_line import render_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from otel_distro.record import LogRecord, Value

__all__ = ["Console", "line_format", "render_text", "renderer"]

_CHUNK = 4096
"""A pipe that is ready takes this much in one piece (PIPE_BUF): longer lines are written alone."""
_LARGE = 1 << 20
_PATIENCE_MS = 250
_NULL = os.makedev(1, 3)


def renderer(kind: str, resource_fields: Mapping[str, Value]) -> Callable[[LogRecord], bytes]:
    """How records become lines for `json` or `text`; colours on a terminal unless NO_COLOR is set."""
    if kind == "json":
        return json_lines(resource_fields)
    descriptor = stdout_descriptor()
    colour = descriptor is not None and os.isatty(descriptor) and not config.environment("NO_COLOR")
    return lambda record: render_text(record, colour=colour)


class Console:
    """Writes lines to the descriptor of stdout; what the app put in place of `sys.stdout` is left alone.

    A reader that stands still costs a quarter of a second once; then lines are dropped until it reads on.
    """

    def __init__(self, render: Callable[[LogRecord], bytes], descriptor: int | None = None) -> None:
        self.render = render
        self.dropped = 0
        self._descriptor = descriptor
        self._rest = b""
        self._stalled = False
        self._pid = os.getpid()
        self._lock = threading.RLock()  # a signal handler may log while this thread writes

    def write(self, lines: Sequence[bytes]) -> None:
        """Write lines, each with its newline; from any thread, also after a fork; never raises OSError."""
        if os.getpid() != self._pid:  # another thread of the parent may have held the lock, and begun a line
            self._pid, self._lock, self._rest = os.getpid(), threading.RLock(), b""
        with self._lock:
            rest, self._rest = self._rest, b""
            with suppress(OSError), self._outlet() as outlet:
                chunks = chain((rest,) if rest else (), _chunks(lines, outlet.piece))
                for chunk in chunks:
                    left = self._send(outlet, chunk)
                    if left:
                        begun = chunk is rest or (left < len(chunk) and chunk[-left - 1 : -left] != b"\n")
                        self._give_up(chunk[-left:], chunks, begun=begun)
                return
            self.dropped += sum(line.count(b"\n") for line in lines)

    def _give_up(self, tail: bytes, later: Iterable[bytes], *, begun: bool) -> None:
        """Drop what the reader does not take, but for the end of a line begun: it comes first next time."""
        if begun:
            line, newline, tail = tail.partition(b"\n")
            self._rest = line + newline
        self.dropped += tail.count(b"\n") + sum(chunk.count(b"\n") for chunk in later)

    def _outlet(self) -> Outlet:
        descriptor = stdout_descriptor() if self._descriptor is None else self._descriptor
        if descriptor is None:
            raise OSError
        return Outlet(descriptor)

    def _send(self, outlet: Outlet, data: bytes) -> int:
        """How many bytes are left because the reader stands still or is gone."""
        view = memoryview(data)
        with suppress(OSError):  # closed, broken pipe, full disk: the app goes on without its console
            while view:
                written = outlet.write(view)
                if written:
                    self._stalled = False
                    view = view[written:]
                elif self._stalled or not outlet.ready(_PATIENCE_MS):
                    self._stalled = True
                    break
        return len(view)


class Outlet:
    """The descriptor for one round of writes that never wait: how much it takes at once depends on what it is.

    A pipe is opened anew for it, as its own descriptor may block and is shared with other processes; what can't be
    opened anew (a terminal, a socket) is asked before each piece. Files and the null device take all.
    """

    __slots__ = ("_ask", "_descriptor", "_own", "piece")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._own: int | None = None
        self._ask = False
        self.piece = _CHUNK
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) or (stat.S_ISCHR(found.st_mode) and found.st_rdev == _NULL):
            self.piece = _LARGE
        elif stat.S_ISFIFO(found.st_mode):
            try:
                self._own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # no /proc, or a user who may not
                self._ask = True
        else:
            self._ask = True

    def __enter__(self) -> Outlet:
        return self

    def __exit__(self, *_: object) -> None:
        if self._own is not None:
            os.close(self._own)

    def write(self, data: memoryview) -> int:
        """How many bytes it took; 0 when it takes none now."""
        if self._ask and not self.ready(0):
            return 0
        try:
            return os.write(self._descriptor if self._own is None else self._own, data)
        except BlockingIOError:
            return 0

    def ready(self, patience_ms: int) -> bool:
        """Whether it takes more, now or within so many milliseconds."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        return bool(poll.poll(patience_ms))


def _chunks(lines: Sequence[bytes], piece: int) -> Iterator[bytes]:
    """Lines joined up to the size of a piece; a pipe takes `_CHUNK` as a whole or not at all."""
    whole = b"".join(lines)
    if len(whole) <= piece:
        yield whole
        return
    chunk: list[bytes] = []
    size = 0
    for line in lines:
        if chunk and size + len(line) > piece:
            yield b"".join(chunk)
            chunk, size = [], 0
        chunk.append(line)
        size += len(line)
    if chunk:
        yield b"".join(chunk)
