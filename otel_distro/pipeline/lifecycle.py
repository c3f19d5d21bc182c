"""Beginnings and ends: the interpreter's end, signals, `os._exit`, forks; supervisors that only watch start nothing."""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from wrapt import register_post_import_hook, wrap_function_wrapper

from otel_distro.guard import guard
from otel_distro.pipeline.ending import Ending

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from otel_distro.pipeline import Pipeline

_pipelines: weakref.WeakSet[Pipeline] = weakref.WeakSet()
_SUPERVISORS = {
    "uvicorn.supervisors.multiprocess": "Multiprocess.__init__",
    "uvicorn.supervisors.basereload": "BaseReload.__init__",
    "gunicorn.arbiter": "Arbiter.__init__",
    "hypercorn.run": "_populate",
}
"""What a process calls before it starts others, from then on only to watch them; by module."""
_HELPERS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
"""Modules that `multiprocessing` starts as processes of their own."""


class Lifecycle:
    """Ties one pipeline to its process."""

    def __init__(self, pipeline: Pipeline, timeout: float) -> None:
        self._pipeline = pipeline
        self._timeout_millis = int(timeout * 1000)

    def attach(self) -> None:
        """Register for all ends, for forks, and for what makes this process a supervisor."""
        atexit.register(self.exit)
        _pipelines.add(self._pipeline)
        with guard("lifecycle.ending"):
            Ending(self._leave, self._flush).watch()
        if _is_helper():
            self._pipeline.supervise()
        for module, function in _SUPERVISORS.items():
            register_post_import_hook(partial(self._watch, function), module)

    def exit(self) -> None:
        """The interpreter's end."""
        with guard("lifecycle.exit"):
            self._pipeline.shutdown(self._timeout_millis)

    def _leave(self) -> None:
        """Another end. A child that was forked to do something short, and recorded nothing, ends at once."""
        if self._pipeline.begun:
            self._pipeline.shutdown(self._timeout_millis)

    def _flush(self) -> None:
        if self._pipeline.begun:
            self._pipeline.worker.flush(self._timeout_millis)

    def _watch(self, function: str, module: ModuleType) -> None:
        def call(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
            with guard(f"lifecycle.{function}"):
                self._pipeline.supervise()
            return wrapped(*args, **kwargs)

        with guard(f"lifecycle.{function}"):
            wrap_function_wrapper(module, function, call)


def _is_helper() -> bool:
    """Helpers of multiprocessing run as `python -c 'from multiprocessing.resource_tracker import main; ...'`."""
    arguments = " ".join(getattr(sys, "orig_argv", ())[:8])
    return any(f"from {module} import" in arguments for module in _HELPERS)


def _after_fork_in_child() -> None:
    for pipeline in list(_pipelines):
        with guard("lifecycle.fork"):
            pipeline.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
