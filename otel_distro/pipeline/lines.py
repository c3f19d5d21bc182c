"""The console lines that are due: rendered a few at a time, written many at once, in order."""

from __future__ import annotations

from collections import deque
from threading import RLock
from typing import TYPE_CHECKING, Any, Protocol

from otel_distro.guard import guard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_distro.record import LogRecord

_MAX_RENDERED = 512
"""Lines rendered and not written yet."""


class Console(Protocol):
    """Where lines go; see `otel_distro.logs.console.Console`."""

    def render(self, record: LogRecord) -> Any:
        """The record as a line."""

    def write(self, lines: Sequence[Any]) -> None:
        """Write rendered lines."""


class Lines:
    """Lines of any thread; an error's is written by the thread that logged it, with all before it."""

    def __init__(self, console: Console | None) -> None:
        self._console = console
        self.wanted = console is not None
        """Whether there is a console."""
        self.reset()

    def reset(self) -> None:
        """Begin anew: nothing is due, as a forked child must."""
        self.due: deque[LogRecord] = deque()
        self._rendered: list[Any] = []
        self._writing = RLock()  # a signal handler may log while this thread writes

    def add(self, record: LogRecord) -> None:
        """A line is due."""
        if self._console is not None:
            self.due.append(record)

    def render(self, most: int) -> None:
        """Render some of what is due; write when that has become much."""
        with self._writing:
            self._render(min(most, len(self.due)))
            if len(self._rendered) >= _MAX_RENDERED:
                self._write()

    def print(self) -> None:
        """Write all that is due."""
        if self.due or self._rendered:
            with self._writing:
                self._render(len(self.due))
                self._write()

    def _render(self, count: int) -> None:
        due, rendered, console = self.due, self._rendered, self._console
        if console is None:
            return
        while count > 0 and due:
            with guard("console"):
                while count > 0 and due:
                    count -= 1
                    rendered.append(console.render(due.popleft()))

    def _write(self) -> None:
        lines, self._rendered = self._rendered, []
        if lines and self._console is not None:
            with guard("console"):
                self._console.write(lines)
