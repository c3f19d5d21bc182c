"""What an exception is called, what it came from, and the members of a group."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP: type[BaseException] | None = getattr(sys.modules["builtins"], "BaseExceptionGroup", None)
"""Python's own class of groups; None before 3.11."""


def caused(error: BaseException, most: int) -> Iterator[BaseException]:
    """The exception, its explicit causes and, of groups, their members; each once, at most so many."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting and len(seen) < most:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting.append(one.__cause__)
        if GROUP is not None and isinstance(one, GROUP):
            waiting.extend(getattr(one, "exceptions", ()))


def exception_type(error: BaseException) -> str:
    """Qualified name of the exception's class."""
    return class_name(type(error))


def class_name(kind: type) -> str:
    """Qualified name of a class, as `exception.type` and `error.type` have it."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
