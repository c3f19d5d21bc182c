"""Which functions of ours run inside the app's calls, found by looking; and any of them made to raise."""

from __future__ import annotations

import dis
import gc
import inspect
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType, FunctionType
from typing import Any

_KINDS = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_FORMS = {
    0: ("", ""),
    inspect.CO_COROUTINE: ("async ", ""),
    inspect.CO_GENERATOR: ("", "yield"),
    inspect.CO_ASYNC_GENERATOR: ("async ", "yield"),
}


_MOVES = (
    *("CACHE", "RESUME", "NOP", "EXTENDED_ARG", "PUSH_NULL", "COPY", "SWAP", "POP_", "ROT_", "DUP_", "JUMP_", "IS_OP"),
    *("LOAD_FAST", "LOAD_CONST", "LOAD_DEREF", "LOAD_ATTR", "LOAD_GLOBAL", "STORE_FAST", "STORE_ATTR", "STORE_DEREF"),
    *("MAKE_CELL", "BUILD_TUPLE", "UNPACK_SEQUENCE", "UNARY_NOT", "RETURN_", "GEN_START", "RETURN_GENERATOR"),
)


class InjectedError(Exception):
    """What our function raises; nobody expects it."""

    count = 0

    def __init__(self) -> None:
        super().__init__("injected")
        InjectedError.count += 1


def is_ours(frame: FrameType | None) -> bool:
    """Whether a frame runs our code: `logging`'s and structlog's names stand on two of our functions."""
    if frame is None:
        return False
    name = frame.f_globals.get("__name__", "")
    return name.partition(".")[0] == "otel_distro" or "/otel_distro/" in frame.f_code.co_filename


class Recorder:
    """Notes functions of ours, and of OpenTelemetry's that ours call, that are entered on the app's threads."""

    def __init__(self) -> None:
        self.step: str | None = None
        self._stopped = False
        self._round: set[tuple[CodeType, tuple[CodeType, ...]]] = set()
        self.ways: dict[CodeType, dict[tuple[CodeType, ...], str]] = defaultdict(dict)
        """By code: each way that leads to it through functions of ours, and the first step of a round that went it."""
        self.entered: set[CodeType] = set()
        """Those that the app, or a library of its, calls."""
        self.modules: dict[CodeType, str] = {}

    def begin_round(self) -> None:
        """All steps are done once more: what ran for the first time only need not be looked for in them."""
        self._round.clear()

    def start(self) -> None:
        """From now on, in this thread and in those that start later, from their first call on."""
        threads: Any = threading.Thread
        self._bootstrap = threads._bootstrap

        def bootstrap(thread: Any) -> None:
            sys.setprofile(self._look)
            self._bootstrap(thread)

        threads._bootstrap = bootstrap
        sys.setprofile(self._look)

    def stop(self) -> None:
        """No more."""
        self.step = None
        self._stopped = True
        threads: Any = threading.Thread
        threads._bootstrap = self._bootstrap
        sys.setprofile(None)

    def _look(self, frame: FrameType, what: str, _argument: Any) -> None:
        if self._stopped:
            sys.setprofile(None)
        if what != "call" or self.step is None:
            return
        code = frame.f_code
        name = str(frame.f_globals.get("__name__", ""))
        ours = is_ours(frame)
        by_ours = is_ours(frame.f_back)
        if not code.co_flags & inspect.CO_OPTIMIZED:
            return  # a module's, or a class's
        if (ours or (by_ours and name.startswith("opentelemetry"))) and not _is_own_thread():
            way = tuple(_way(frame.f_back))
            if (code, way) not in self._round:
                self._round.add((code, way))
                self.ways[code][way] = self.step
            self.modules[code] = name
            if not by_ours:
                self.entered.add(code)

    def steps(self, code: CodeType) -> set[str]:
        """Steps that go every way to it."""
        return set(self.ways[code].values())


def _is_own_thread() -> bool:
    return threading.current_thread().name.startswith("otel-distro")


def _way(frame: FrameType | None) -> Iterator[CodeType]:
    while frame is not None and is_ours(frame):
        yield frame.f_code
        frame = frame.f_back


class Functions:
    """All functions alive, by their code; nested ones by the function that makes them."""

    def __init__(self) -> None:
        self._made: dict[CodeType, list[FunctionType]] = defaultdict(list)
        self._parents: dict[CodeType, CodeType] = {}
        for found in gc.get_objects():
            if type(found) is FunctionType:
                self._made[found.__code__].append(found)
        for code in list(self._made):
            self._note_nested(code)

    def _note_nested(self, code: CodeType) -> None:
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self._parents.setdefault(constant, code)
                self._note_nested(constant)

    def name(self, code: CodeType) -> str:
        """Its qualified name."""
        parent = self._parents.get(code)
        if parent is not None:
            return f"{self.name(parent)}.{code.co_name}"
        made = self._made.get(code)
        return made[0].__qualname__ if made else code.co_name

    @contextmanager
    def failing(self, code: CodeType) -> Iterator[None]:
        """The functions of this code raise, those that exist and those that are made meanwhile."""
        changed: list[tuple[FunctionType, CodeType]] = []
        new, old = raising(code), code
        while True:
            changed += [(function, old) for function in self._made.get(old, ())]
            for function in self._made.get(old, ()):
                function.__code__ = new
            parent = self._parents.get(old)
            if parent is None:
                break
            consts = tuple(new if constant is old else constant for constant in parent.co_consts)
            new, old = parent.replace(co_consts=consts), parent
        try:
            yield
        finally:
            for function, before in changed:
                function.__code__ = before


def raising(code: CodeType) -> CodeType:
    """Code that raises in the place of this one: same kind, same variables from outside."""
    prefix, last = _FORMS[code.co_flags & _KINDS]
    names = ", ".join(f"v{number}" for number in range(len(code.co_freevars)))
    source = (
        (
            f"def outer({names}):\n"
            f"    {prefix}def inner(*args, **kwargs):\n"
            f"        raise 'error'\n"
            f"        ({names},)\n"
            f"        {last or 'pass'}\n"
        )
        if names
        else f"{prefix}def inner(*args, **kwargs):\n    raise 'error'\n    {last or 'pass'}\n"
    )
    made: Any = compile(source, "<injected>", "exec")
    while made.co_name != "inner":
        made = next(constant for constant in made.co_consts if isinstance(constant, CodeType))
    consts = tuple(InjectedError if constant == "error" else constant for constant in made.co_consts)
    return made.replace(co_consts=consts, co_freevars=code.co_freevars, co_name=code.co_name)  # type: ignore[no-any-return]


def is_bare(code: CodeType) -> bool:
    """Whether it calls nothing and computes nothing: it moves values about, which can't fail."""
    return all(instruction.opname.startswith(_MOVES) for instruction in dis.get_instructions(code))
