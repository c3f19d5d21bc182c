"""Beginnings and ends: atexit, SIGTERM, fork; supervisors that only watch others start no pipeline."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from wrapt import register_post_import_hook, wrap_function_wrapper

from otel_distro.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, ModuleType

    from otel_distro.pipeline import Pipeline

_logger = logging.getLogger("otel_distro")
_pipelines: weakref.WeakSet[Pipeline] = weakref.WeakSet()
_SUPERVISORS = {
    "uvicorn.supervisors.multiprocess": ("Multiprocess.run",),
    "uvicorn.supervisors.basereload": ("BaseReload.run",),
    "gunicorn.arbiter": ("Arbiter.run",),
}
"""What a process runs that only watches others, by module."""
_LAST = -1000


class Lifecycle:
    """Ties one pipeline to its process."""

    def __init__(self, pipeline: Pipeline, timeout: float) -> None:
        self._pipeline = pipeline
        self._timeout_millis = int(timeout * 1000)

    def attach(self) -> None:
        """Register for exit, SIGTERM (where nobody handles it), fork and supervisors."""
        atexit.register(self.exit)
        _pipelines.add(self._pipeline)
        with guard("lifecycle.sigterm"):
            self._catch_sigterm()
        if _is_resource_tracker():
            self._pipeline.supervise()
        for module, functions in _SUPERVISORS.items():
            register_post_import_hook(partial(self._watch, functions), module)
        register_post_import_hook(self._join_multiprocessing, "multiprocessing.util")

    def _join_multiprocessing(self, module: ModuleType) -> None:
        """A process forked by `multiprocessing` ends by `os._exit` after its own finalizers: be the last of these."""
        module.register_after_fork(self, lambda own: module.Finalize(None, own.exit, exitpriority=_LAST))

    def exit(self) -> None:
        """The interpreter's end."""
        with guard("lifecycle.exit"):
            self._pipeline.shutdown(self._timeout_millis)

    def _watch(self, functions: tuple[str, ...], module: ModuleType) -> None:
        def run(wrapped: Callable[..., Any], _: Any, args: Any, kwargs: Any) -> Any:
            self._pipeline.supervise()
            return wrapped(*args, **kwargs)

        for name in functions:
            with guard(f"lifecycle.{name}"):
                wrap_function_wrapper(module, name, run)

    def _catch_sigterm(self) -> None:
        """Flush on SIGTERM, then die by it as before; only where the default action is in force."""
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        ):
            return
        process = os.getpid()

        def on_sigterm(number: int, _: FrameType | None) -> None:
            if os.getpid() == process or not self._pipeline.supervised:
                with guard("lifecycle.sigterm"):
                    self._pipeline.shutdown(self._timeout_millis)
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

        signal.signal(signal.SIGTERM, on_sigterm)


def _is_resource_tracker() -> bool:
    """Multiprocessing's helper, started as `python -c 'from multiprocessing.resource_tracker import main; ...'`."""
    arguments = " ".join(getattr(sys, "orig_argv", ())[:4])
    return "multiprocessing.resource_tracker" in arguments


def _after_fork_in_child() -> None:
    for pipeline in list(_pipelines):
        with guard("lifecycle.fork"):
            pipeline.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
