"""Ends that run no code: the default action of a signal, `os._exit`, `os.exec*`; ours comes before them."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from wrapt import wrap_function_wrapper

from otel_distro.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""They end a process that does not handle them, and are sent for that."""
_EXECS = ("execv", "execve")
"""The others of `os` come to these."""

_LOCKING = ("opentelemetry.sdk.", "otel_distro.pipeline.", "otel_distro.exporter.", "otel_distro.logs.")
"""Where locks are held that the flush needs."""
_LATER_SECONDS = 0.002
_MOST_LATE = 50
_INIT = 1
"""The first process of a container: no signal's default action ends it, so it goes on, and so do we."""


class Ending:
    """Calls `leave` before the process ends without the interpreter's own end, `flush` before it may become another.

    Where the default action of a signal is in force, a handler of ours is. Who asks is told of the default action, and
    in the end it is taken: the process dies of the signal. So it does not matter who resets handlers, and when: a
    server that raises the signal again after its graceful end, or a worker that wants none of its parent's.
    """

    def __init__(self, leave: Callable[[], object], flush: Callable[[], object]) -> None:
        self._leave = leave
        self._flush = flush
        self._handler = self._die
        self._dying = 0
        self._late = 0
        self._set: Callable[[int, Any], Any] = signal.signal

    def watch(self) -> None:
        """Stand before signals and exits from now on."""
        wrap_function_wrapper("signal", "signal", self._signal)
        wrap_function_wrapper("signal", "getsignal", self._getsignal)
        wrap_function_wrapper("os", "_exit", partial(self._before, self._leave))
        for name in _EXECS:
            wrap_function_wrapper("os", name, partial(self._before, self._flush))
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is signal.SIG_DFL:
                    self._set(number, self._handler)

    def _signal(self, wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
        number, handler = args if len(args) == 2 else (None, None)  # noqa: PLR2004 - else `wrapped` complains
        if isinstance(handler, int) and handler == signal.SIG_DFL and number in _SIGNALS:
            args = (number, self._handler)
        before = wrapped(*args, **kwargs)
        return signal.SIG_DFL if before is self._handler else before

    def _getsignal(self, wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
        handler = wrapped(*args, **kwargs)
        return signal.SIG_DFL if handler is self._handler else handler

    @staticmethod
    def _before(first: Callable[[], object], wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
        with guard("lifecycle.exit"):
            first()
        return wrapped(*args, **kwargs)

    def _die(self, number: int, frame: FrameType | None) -> None:
        """The default action, after ours; the signal again (to a group, by a supervisor) is no reason to hurry."""
        process = os.getpid()
        if self._dying == process:
            return
        with guard("lifecycle.signal"):
            if self._late < _MOST_LATE and _may_hold_a_lock(frame):
                self._late += 1
                again = threading.Timer(_LATER_SECONDS, os.kill, (process, number))
                again.daemon = True
                again.start()
                return
        if process == _INIT:
            with guard("lifecycle.signal"):
                self._flush()
            return
        self._dying = process
        with guard("lifecycle.signal"):
            self._leave()
        self._set(number, signal.SIG_DFL)
        os.kill(process, number)


def _may_hold_a_lock(frame: FrameType | None) -> bool:
    """Whether a signal interrupted the main thread in telemetry of its own: the flush would wait for it in vain."""
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(_LOCKING):
            return True
        frame = frame.f_back
    return False
