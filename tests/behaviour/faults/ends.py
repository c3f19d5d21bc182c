"""Ways in which a process ends, forks or watches others, each with a fault in each function of ours that then runs.

`python -m tests.behaviour.faults.ends`: a process with a pipeline forks a child for each, and prints a line of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import uvicorn
from opentelemetry import metrics, trace
from uvicorn.supervisors.multiprocess import Multiprocess

from otel_distro import config
from otel_distro.assembly import start
from tests.behaviour.faults.injection import Functions, InjectedError, is_bare, is_ours

_CODE = 3
_PATIENCE = 30
_PIPELINE = start(config.current())
_ORDERS = metrics.get_meter("app").create_counter("orders")


_STANDS_IN = {
    "pipeline/ending.py:Ending._before": "os._exit, os.execv",
    "pipeline/ending.py:Ending._die": "the signal's default action",
    "pipeline/ending.py:Ending._getsignal": "signal.getsignal",
    "pipeline/ending.py:Ending._signal": "signal.signal",
    "pipeline/lifecycle.py:Lifecycle._watch.call": "the supervisor's __init__",
}
"""By place, what it stands in for: it can't raise unseen. It calls ours under a guard; the faults are put there."""
_kept: list[Any] = []


def _emit() -> None:
    trace.get_tracer("app").start_span("child").end()
    _ORDERS.add(1)


def _leaves() -> None:
    os._exit(_CODE)


def _exits() -> None:
    sys.exit(_CODE)


def _is_ended() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE)


def _resets() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(_PATIENCE)


def _becomes_another() -> None:
    os.execv(sys.executable, [sys.executable, "-S", "-c", f"raise SystemExit({_CODE})"])


def _forks() -> None:
    child = os.fork()
    if not child:
        os._exit(_CODE)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _supervises() -> None:
    Multiprocess(uvicorn.Config("nothing:app", workers=2), [])
    os._exit(_CODE)


WAYS: dict[str, Callable[[], None]] = {
    "os._exit": _leaves,
    "sys.exit": _exits,
    "SIGTERM": _is_ended,
    "SIGINT, reset": _resets,
    "exec": _becomes_another,
    "fork": _forks,
    "supervisor": _supervises,
}


def _child(way: str, before: Callable[[], Any]) -> int:
    """How a child ends that goes this way, `before` done first; what it prints is nobody's matter."""
    child = os.fork()
    if not child:
        signal.alarm(_PATIENCE)
        _emit()
        before()
        WAYS[way]()
        os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _looked(way: str) -> tuple[int, set[tuple[str, int, str]]]:
    """How it ends without a fault, and the functions of ours that then run on its main thread."""
    reading, writing = os.pipe()

    def look(frame: FrameType, what: str, _argument: Any) -> None:
        code = frame.f_code
        if what == "call" and is_ours(frame):
            os.write(writing, f"{json.dumps([code.co_filename, code.co_firstlineno, code.co_name])}\n".encode())

    ended = _child(way, lambda: sys.setprofile(look))
    os.close(writing)
    with os.fdopen(reading) as lines:
        return ended, {tuple(json.loads(line)) for line in lines}


def _with_fault(way: str, functions: Functions, code: CodeType) -> tuple[int, int]:
    """How it ends, and how often the fault came up."""
    reading, writing = os.pipe()

    def fail() -> None:
        InjectedError.__init__ = lambda _: os.write(writing, b".") and None  # type: ignore[method-assign]
        _kept.append(functions.failing(code))
        _kept[-1].__enter__()

    ended = _child(way, fail)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        return ended, len(told.read())


def _known(functions: Functions) -> dict[tuple[str, int, str], CodeType]:
    codes = [*functions._made, *functions._parents]
    return {(code.co_filename, code.co_firstlineno, code.co_name): code for code in codes}


def main() -> None:
    """Each way without a fault, then with each."""
    seen = {way: _looked(way) for way in WAYS}
    functions = Functions()
    known = _known(functions)
    for way, (expected, places) in seen.items():
        for place in sorted(places & known.keys()):
            code = known[place]
            name = f"{place[0].partition('otel_distro/')[2]}:{functions.name(code)}"
            if not is_bare(code) and name not in _STANDS_IN and not name.startswith("guard.py"):
                ended, raised = _with_fault(way, functions, code)
                found = {"way": way, "place": name, "expected": expected, "ended": ended, "raised": raised}
                sys.stdout.write(f"{json.dumps(found)}\n")
                sys.stdout.flush()  # else each child has it, too


if __name__ == "__main__":
    main()
