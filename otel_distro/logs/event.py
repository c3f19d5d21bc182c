"""The values of a structlog event: which of them is its text, and which a record has a field for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_BODIES = ("event", "message", "msg")
"""What the event is called, before and after structlog's `EventRenamer`."""
_ELSEWHERE = frozenset({
    *("level", "log_level", "level_number", "timestamp", "logger", "logger_name", "thread_name"),
    *("exc_info", "stack_info", "exception", "stack", "positional_args"),
    *("pathname", "filename", "lineno", "func_name"),
})  # fmt: skip
"""Values that structlog's own processors add, and that a record has a field for."""


def body_key(values: Mapping[str, Any]) -> str | None:
    """The name of the value that is the event's text."""
    return next((name for name in _BODIES if name in values), None)


def extras(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The values that are the app's own."""
    body = body_key(values)
    return [(k, v) for k, v in values.items() if k != body and k not in _ELSEWHERE and str(k)[:1] != "_"]


def event_text(event: object, arguments: Any) -> str:
    """The event with its positional arguments."""
    return str(event) % arguments if arguments else str(event)
