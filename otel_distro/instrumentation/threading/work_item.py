"""A call given to an executor runs with what was in hand at `submit`; the pool's thread keeps none of it."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from otel_distro.guard import FAULT, report
from otel_distro.instrumentation.threading.carried import KEY, in_hand

if TYPE_CHECKING:
    from collections.abc import Callable


def wrap_init(original: Callable[..., None]) -> Callable[..., None]:
    """`_WorkItem.__init__`, called by `submit`: remembers what is in hand."""

    @wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes the method
        original(self, *args, **kwargs)
        try:
            carried = in_hand()
            if carried is not None:
                setattr(self, KEY, carried)
        except FAULT as fault:
            report("threading.submit", fault)

    return __init__


def wrap_run(original: Callable[..., None]) -> Callable[..., None]:
    """`_WorkItem.run`, which catches what the call raises: wrapped, no traceback has a frame of ours."""

    @wraps(original)
    def run(self: Any, *args: Any) -> None:
        try:
            carried = vars(self).pop(KEY, None)
            if carried is None:
                original(self, *args)
                return
            try:
                carried.enter()
            except FAULT as fault:
                report("threading.work_item", fault)
            try:
                original(self, *args)
            finally:
                try:
                    carried.leave()
                except FAULT as fault:
                    report("threading.work_item", fault)
        finally:
            del self  # as the original: an exception's traceback leads here, and the item to the exception

    return run
