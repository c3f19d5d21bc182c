"""The console: whole lines to the process's stdout, never in the way of the app for long."""

from __future__ import annotations

import os
import select
import threading
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

from otel_distro import config
from otel_distro.logs.json_line import render_json
from otel_distro.logs.stream import line_format, stdout_descriptor
from otel_distro.logs.text_line import render_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from otel_distro.record import LogRecord, Value

__all__ = ["Console", "line_format", "render_json", "render_text", "renderer"]

_CHUNK = 4096
"""A pipe that is ready takes this much in one piece (PIPE_BUF): longer lines are written alone."""
_PATIENCE_MS = 250


def renderer(kind: str, resource_fields: Mapping[str, Value]) -> Callable[[LogRecord], bytes]:
    """How records become lines for `json` or `text`; colours on a terminal unless NO_COLOR is set."""
    if kind == "json":
        return lambda record: render_json(record, resource_fields)
    descriptor = stdout_descriptor()
    colour = descriptor is not None and os.isatty(descriptor) and not config.environment("NO_COLOR")
    return lambda record: render_text(record, colour=colour)


class Console:
    """Writes lines to the descriptor of stdout; what the app put in place of `sys.stdout` is left alone.

    A reader that stands still costs a quarter of a second once; then lines are dropped until it reads on.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self.dropped = 0
        self._descriptor = descriptor
        self._rest = b""
        self._stalled = False
        self._pid = os.getpid()
        self._lock = threading.RLock()  # a signal handler may log while this thread writes

    def write(self, lines: Iterable[bytes]) -> None:
        """Write lines, each with its newline; from any thread, also after a fork; never raises OSError."""
        if os.getpid() != self._pid:  # another thread of the parent may have held the lock, and begun a line
            self._pid, self._lock, self._rest = os.getpid(), threading.RLock(), b""
        with self._lock:
            rest, self._rest = self._rest, b""
            chunks = chain((rest,) if rest else (), _chunks(lines))
            for chunk in chunks:
                left = self._send(chunk)
                if left:
                    begun = chunk is rest or (left < len(chunk) and chunk[-left - 1 : -left] != b"\n")
                    self._give_up(chunk[-left:], chunks, begun=begun)

    def _give_up(self, tail: bytes, later: Iterable[bytes], *, begun: bool) -> None:
        """Drop what the reader does not take, but for the end of a line begun: it comes first next time."""
        if begun:
            line, newline, tail = tail.partition(b"\n")
            self._rest = line + newline
        self.dropped += tail.count(b"\n") + sum(chunk.count(b"\n") for chunk in later)

    def _send(self, data: bytes) -> int:
        """How many bytes are left because the reader stands still or is gone."""
        descriptor = stdout_descriptor() if self._descriptor is None else self._descriptor
        view = memoryview(data)
        with suppress(OSError):  # closed, broken pipe, full disk: the app goes on without its console
            while view and descriptor is not None and self._ready(descriptor):
                view = view[os.write(descriptor, view) :]
        return len(view)

    def _ready(self, descriptor: int) -> bool:
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        ready = bool(poll.poll(0 if self._stalled else _PATIENCE_MS))
        self._stalled = not ready
        return ready


def _chunks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines joined as long as they stay atomic for a pipe."""
    chunk: list[bytes] = []
    size = 0
    for line in lines:
        if chunk and size + len(line) > _CHUNK:
            yield b"".join(chunk)
            chunk, size = [], 0
        chunk.append(line)
        size += len(line)
    if chunk:
        yield b"".join(chunk)
