"""Other people's code under a deadline: it may take its time, the application does not wait longer than promised."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING

from otel_distro.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable


def within(deadline: float, calls: dict[str, Callable[[], object]]) -> bool:
    """Run the calls side by side; True when all returned, and not False, before `monotonic()` reached the deadline."""
    done: dict[str, bool] = {}

    def run(name: str, call: Callable[[], object]) -> None:
        with guard(name):
            done[name] = call() is not False  # many return nothing

    threads = [_started(partial(run, name, call)) for name, call in calls.items()]
    for thread in threads:
        if thread is not None:
            thread.join(max(0.0, deadline - monotonic()))
    return len(done) == len(calls) and all(done.values())


def background(name: str, run: Callable[[], object]) -> Thread | None:
    """A thread that does this; None where the interpreter ends and makes no more threads (Python 3.12)."""
    thread = Thread(target=run, name=name, daemon=True)
    with suppress(RuntimeError):
        thread.start()
        return thread
    return None


def _started(run: Callable[[], None]) -> Thread | None:
    thread = Thread(target=run, name="otel-distro-deadline", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the interpreter is ending and makes no more threads (Python 3.12)
        run()
        return None
    return thread
