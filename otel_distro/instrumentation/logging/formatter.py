"""The app's formatters: run where our line takes the place of theirs, because they may mask what must not be seen."""

from __future__ import annotations

import copy
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from otel_distro.guard import guard, rendered
from otel_distro.logs.formatted import FormattedEvent, FormattedText

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_distro.logs.call import Call

PLAIN, TEXT, EVENT = range(3)
_METHODS = ("format", "formatMessage", "formatException")
_KNOWN = frozenset({"logging", "uvicorn", "gunicorn", "celery", "colorlog", "_pytest"})
"""Packages whose formatters paint and arrange, and hide nothing."""
_BARE = logging.PercentStyle("%(message)s")


def kind_of(formatter: Any) -> int:
    """Whether a formatter only arranges, changes texts as it likes, or has structlog's processors."""
    kind: Any = type(formatter)
    return _kind(kind)


@lru_cache(maxsize=64)
def _kind(formatter: type) -> int:
    owners = [next((kind for kind in formatter.__mro__ if name in kind.__dict__), None) for name in _METHODS]
    modules = {owner.__module__ for owner in owners if owner is not None}
    if modules == {"logging", "structlog.stdlib"}:
        return EVENT
    return PLAIN if {module.partition(".")[0] for module in modules} <= _KNOWN else TEXT


def run(formatter: Any, record: logging.LogRecord, call: Call) -> None:
    """Learn what the formatter shows of a record, in place of a line that it would have been asked for."""
    kind = kind_of(formatter)
    if kind == EVENT:
        rendered(lambda: str(telling(formatter, record, call, render=False).format(record)))
    elif kind == TEXT:
        text = rendered(lambda: str(formatter.format(_copy(record))), _template(record))
        call.formatted += (_text(formatter, text, record, None),)


def learn(formatter: Any, text: Any, record: logging.LogRecord, call: Call, raw: str) -> None:
    """Keep what a formatter wrote for a handler of the app's; `raw` was the message before."""
    if isinstance(text, str):
        call.formatted += (_text(formatter, text, record, raw),)


def telling(formatter: Any, record: logging.LogRecord, call: Call, *, render: bool) -> Any:
    """A copy of structlog's `ProcessorFormatter` that tells of the values that come to the renderer, its last step."""
    *chain, renderer = formatter.processors
    adds_extras = any(type(step).__name__ == "ExtraAdder" for step in (*(formatter.foreign_pre_chain or ()), *chain))

    def last(logger: Any, method: str, values: Mapping[str, Any]) -> Any:
        with guard("logging.formatter"):
            event = isinstance(record.msg, dict)
            same_text = not event and values.get("event") == record.getMessage()
            call.formatted += (FormattedEvent(dict(values), adds_extras or event, same_text),)
        return renderer(logger, method, values) if render else ""

    ours = copy.copy(formatter)
    ours.processors = (*chain, last)
    return ours


def _text(formatter: Any, text: str, record: logging.LogRecord, raw: str | None) -> FormattedText:
    def message() -> str:
        """The formatter's text of the message alone, without time, level and stack."""
        bare, plain = copy.copy(formatter), _copy(record)
        bare._style = _BARE  # noqa: SLF001 - formatters that write a text of their own do not look at it
        plain.exc_info = plain.exc_text = plain.stack_info = None
        return rendered(lambda: str(bare.format(plain)), _template(record))

    return FormattedText(raw, text, str(getattr(formatter, "_fmt", "")), message)


def _template(record: logging.LogRecord) -> Callable[[Exception], str]:
    """What stands for a message that the formatter fails on: the arguments may be what it would have masked."""
    return lambda _failure: rendered(lambda: str(record.msg)) if record.args else "<unprintable>"


def _copy(record: logging.LogRecord) -> logging.LogRecord:
    """A copy of the same class, for formatters that change what they are given."""
    made = type(record).__new__(type(record))
    made.__dict__.update(record.__dict__)
    return made
