"""A thread begins with what was in hand where it was started; `run` and what it raises stay as they are."""

from __future__ import annotations

import sys
from contextvars import Context
from functools import wraps
from typing import TYPE_CHECKING, Any

from otel_distro.guard import FAULT, report
from otel_distro.instrumentation.threading.carried import KEY, in_hand

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Thread

_OWN = "otel-distro"
_SERVING_MANY = frozenset({"aiosqlite.core", "anyio._backends._asyncio", "concurrent.futures.thread"})
"""Modules whose threads outlive the request that happened to start them, and get each call's context by other ways."""


def wrap_start(original: Callable[[Thread], None]) -> Callable[[Thread], None]:
    """`Thread.start`, which remembers what is in hand."""

    @wraps(original)
    def start(self: Thread) -> None:
        try:
            _hand_over(self)
        except FAULT as fault:
            report("threading.start", fault)
        try:
            original(self)
        except BaseException:
            vars(self).pop(KEY, None)  # never started, or long since: it must not keep the span alive
            raise

    return start


def wrap_bootstrap(original: Callable[[Thread], None]) -> Callable[[Thread], None]:
    """`Thread._bootstrap_inner`, which runs the thread and its exception hook: no traceback has a frame of ours."""

    @wraps(original)
    def _bootstrap_inner(self: Thread) -> None:
        carried = vars(self).pop(KEY, None)
        if carried is None:
            original(self)
            return
        try:
            carried.enter()
        except FAULT as fault:
            report("threading.run", fault)
        try:
            original(self)
        finally:
            try:
                carried.leave()
            except FAULT as fault:
                report("threading.run", fault)

    return _bootstrap_inner


def _hand_over(thread: Thread) -> None:
    carried = in_hand()
    if carried is None or _is_left_alone(thread):
        return
    held = vars(thread)
    if "_context" not in held:
        held[KEY] = carried
    elif held["_context"] is None and not getattr(sys.flags, "thread_inherit_context", False):
        # Python 3.14 runs each thread in a context, made by start() unless it is given; the app's own choice stays.
        made = Context()
        made.run(carried.enter)
        held["_context"] = made


def _is_left_alone(thread: Thread) -> bool:
    held: dict[str, Any] = vars(thread)
    if str(held.get("_name")).startswith(_OWN):
        return True
    target = getattr(held.get("_target"), "__module__", None)
    return type(thread).__module__ in _SERVING_MANY or target in _SERVING_MANY
