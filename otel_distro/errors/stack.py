"""Stacks as text, in the interpreter's own form but for the marks under columns, which cost a parse of each line."""

from __future__ import annotations

import linecache
import sys
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"
_HEAD = "Traceback (most recent call last):\n"
_MAX_CHAIN = 8
_GROUP: type[BaseException] | None = getattr(sys.modules["builtins"], "BaseExceptionGroup", None)


def render(error: BaseException, max_frames: int) -> str:
    """The exception with those it came from, oldest first; of each the innermost frames."""
    parts: list[str] = []
    for one, joint in reversed(_chain(error)):
        parts += (_one(one, max_frames), joint)
    return "".join(parts)


def _chain(error: BaseException) -> list[tuple[BaseException, str]]:
    """The exception and its causes or contexts, newest first, each with the words that stand after it."""
    found: list[tuple[BaseException, str]] = []
    current: BaseException | None = error
    joint = ""
    while current is not None and len(found) < _MAX_CHAIN and all(current is not one for one, _ in found):
        found.append((current, joint))
        cause = current.__cause__
        joint = _CAUSE if cause is not None else _CONTEXT
        current = cause if cause is not None or current.__suppress_context__ else current.__context__
    return found


def _one(error: BaseException, max_frames: int) -> str:
    if _GROUP is not None and isinstance(error, _GROUP):
        return "".join(traceback.format_exception(type(error), error, error.__traceback__, -max_frames, chain=False))
    last = "".join(traceback.format_exception_only(type(error), error))
    return f"{_HEAD}{_frames(error.__traceback__, max_frames)}{last}" if error.__traceback__ else last


def _frames(tb: TracebackType | None, max_frames: int) -> str:
    steps = []
    while tb is not None:
        steps.append(tb)
        tb = tb.tb_next
    lines = []
    for step in steps[-max_frames:]:
        code = step.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {step.tb_lineno}, in {code.co_name}\n')
        source = linecache.getline(code.co_filename, step.tb_lineno, step.tb_frame.f_globals).strip()
        if source:
            lines.append(f"    {source}\n")
    return "".join(lines)
