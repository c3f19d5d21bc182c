"""Stacks as text, in the interpreter's own form but for the marks under columns, which cost a parse of each line."""

from __future__ import annotations

import linecache
import traceback
from typing import TYPE_CHECKING

from otel_distro.errors.exception import GROUP
from otel_distro.guard import rendered

if TYPE_CHECKING:
    from types import TracebackType

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"
_HEAD = "Traceback (most recent call last):\n"
_MAX_CHAIN = 8
_BARE = ("__main__", "builtins")
"""Modules that the interpreter does not name before a class."""
_MAX_KNOWN = 2048
_known: dict[tuple[str, int, str], str] = {}
"""Frames as text: an error that comes often passes the same places."""


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
    if GROUP is not None and isinstance(error, GROUP):
        return "".join(traceback.format_exception(type(error), error, error.__traceback__, -max_frames, chain=False))
    last = _last(error)
    return f"{_HEAD}{_frames(error.__traceback__, max_frames)}{last}" if error.__traceback__ else last


def _last(error: BaseException) -> str:
    """Type and message, as the interpreter's last line; it renders the unusual ones itself."""
    kind = type(error)
    if isinstance(error, SyntaxError) or getattr(error, "__notes__", None) is not None:
        return "".join(traceback.format_exception_only(kind, error))
    name = kind.__qualname__ if kind.__module__ in _BARE else f"{kind.__module__}.{kind.__qualname__}"
    text = rendered(lambda: str(error), lambda _: "<exception str() failed>")
    return f"{name}: {text}\n" if text else f"{name}\n"


def _frames(tb: TracebackType | None, max_frames: int) -> str:
    steps = []
    while tb is not None:
        steps.append(tb)
        tb = tb.tb_next
    lines = []
    for step in steps[-max_frames:]:
        code = step.tb_frame.f_code
        place = (code.co_filename, step.tb_lineno, code.co_name)
        lines.append(_known.get(place) or _frame(place, step))
    return "".join(lines)


def _frame(place: tuple[str, int, str], step: TracebackType) -> str:
    name, number, function = place
    text = f'  File "{name}", line {number}, in {function}\n'
    source = linecache.getline(name, number, step.tb_frame.f_globals).strip()
    if source:
        text += f"    {source}\n"
    if len(_known) >= _MAX_KNOWN:
        _known.clear()
    _known[place] = text
    return text
