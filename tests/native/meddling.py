"""Objects that run code of their own while they are encoded, and what that code does."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest

from otel_distro.pipeline.span import Span
from otel_distro.record import LogRecord
from tests.native.items import NATIVE, NATIVE_LINES, TRACERS

FAR = tuple(f"a{number:03d}" for number in range(200))
"""Names that push a class's own slots to where no span and no record has any memory."""


class FarRecord:
    """With all the slots of a record, elsewhere."""

    __slots__ = (*FAR, *LogRecord.__slots__)


class FarSpan:
    """With all the slots of a span, elsewhere."""

    __slots__ = (*FAR, *(name for name in Span.__slots__ if name not in ("local", "_ctx")))


class Loose:
    """Without slots, and with nothing that a record has."""


def others() -> None:
    """Encode items of other classes, of which the last is what the extension saw last."""
    far_span, far_record = FarSpan(), FarRecord()
    far_span.tracer = far_record.scope = "inner"  # type: ignore[attr-defined]
    for kind in (far_span, Loose()):
        with pytest.raises(ZeroDivisionError):
            NATIVE.add_spans({}, [kind], lambda _: 1 // 0)
    for other in (Loose(), far_record):
        with pytest.raises(ZeroDivisionError):
            NATIVE.add_logs({}, [other], lambda _: 1 // 0)
    with pytest.raises(AttributeError):
        NATIVE_LINES(far_record)
    gc.collect()


class Once:
    """Runs something when it is looked up for the first time: by its hash, its length, a property of it."""

    def __init__(self, run: Callable[[], object] = others, like: object = None) -> None:
        self.left = [run]
        self.like = like

    def meet(self) -> None:
        while self.left:
            self.left.pop()()

    def __hash__(self) -> int:
        return hash(self.like)

    def __eq__(self, other: object) -> bool:
        self.meet()
        return False

    @property
    def is_remote(self) -> bool:
        self.meet()
        return False


class Shrinking(dict[str, Any]):
    """Runs something when it is asked for its length."""

    once = Once()

    def __len__(self) -> int:
        self.once.meet()
        return 0


def ended(kind: type[Span] = Span) -> Any:
    """A span of this class."""
    span: Any = object.__new__(kind)
    usual: Any = TRACERS[0].start_span("a span's name " * 3, attributes={"key " * 9: "value " * 9})
    usual.end()
    for name in Span.__slots__:
        setattr(span, name, getattr(usual, name))
    return span


def record() -> Any:
    """A usual one, of texts that nobody else has."""
    key, body = f"key {id(object())}", f"body {id(object())}"
    return LogRecord(1, 9, "INFO", "scope", body, attributes={key: body}, fields={"user": body}, trace_id=1, span_id=2)


def forget(item: Any, *, but: tuple[str, ...]) -> Callable[[], None]:
    """What removes all that an item refers to, and has its memory used by others."""

    def run() -> None:
        for name in type(item).__slots__:
            if name not in but:
                delattr(item, name)
        others()
        junk = [f"junk {number}" * 9 for number in range(1000)] + [dict.fromkeys(range(9)) for _ in range(1000)]
        del junk[::2]

    return run
