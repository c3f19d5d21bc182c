"""What the app's own formatters made of a record: what they mask is masked in ours, too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from otel_distro.errors.exception import exception_type
from otel_distro.guard import rendered
from otel_distro.logs.event import body_key, event_text, extras
from otel_distro.logs.value import MAX_BODY, RESERVED, add, cut
from otel_distro.semconv.attributes import EXCEPTION_STACKTRACE, EXCEPTION_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_distro.record import LogRecord, Value


class Formatted(Protocol):
    """Takes from our record what the app's formatter does not show."""

    def restrict(self, record: LogRecord, error: BaseException | None) -> BaseException | None:
        """Change the record; returns the exception, unless its text is masked."""


class FormattedText(NamedTuple):
    """The text that a formatter made: whole, its format string, and (when asked) of the message alone."""

    raw: str | None
    """The message as it was logged, when the formatter may have changed the app's record."""
    text: str
    template: str
    message: Callable[[], str]

    def restrict(self, record: LogRecord, error: BaseException | None) -> BaseException | None:
        """A message that is not in the text is replaced; values that are named there but not shown are left out."""
        text = self.text
        raw = record.body if self.raw is None else self.raw
        if record.body not in text and not _shows(text, record.body):
            record.body = cut(self.message(), MAX_BODY)
        attributes = cast("dict[str, Value]", record.attributes)
        hidden = []
        for key, value in attributes.items():
            if key not in RESERVED:
                shown = str(value)
                if shown not in text and (key in text or key in self.template or shown in raw):
                    hidden.append(key)
        for key in hidden:
            if not _shows(text, str(attributes[key])):
                del attributes[key]
        return error if error is None else _masked(attributes, error, text)


class FormattedEvent(NamedTuple):
    """The values of an event after the processors of structlog's `ProcessorFormatter`, before its renderer."""

    values: Mapping[str, Any]
    whole: bool
    """False when values of the record are not among them, as of a line of the standard library's."""
    same_text: bool = False
    """True when the processors did not change the text."""

    def restrict(self, record: LogRecord, error: BaseException | None) -> BaseException | None:
        """Text and values as the processors left them."""
        values = self.values
        key = body_key(values)
        if key is not None and not self.same_text:
            text = rendered(lambda: event_text(values[key], values.get("positional_args")))
            record.body = cut(text, MAX_BODY)
        before = record.attributes or {}
        kept = {name: value for name, value in before.items() if name in RESERVED or not self.whole}
        for name in values:
            kept.pop(name, None)
        add(kept, extras(values))
        record.attributes = kept
        exception = values.get("exception")
        return _masked(kept, error, exception) if isinstance(exception, str) else error


def _masked(attributes: dict[str, Value], error: BaseException | None, text: str) -> BaseException | None:
    """The exception; when the text names it without its message, the text stands for it instead."""
    if error is None or type(error).__name__ not in text or _shows(text, rendered(lambda: str(error))):
        return error
    attributes[EXCEPTION_TYPE.key] = exception_type(error)
    attributes[EXCEPTION_STACKTRACE.key] = cut(text, MAX_BODY)
    return None


def _shows(text: str, value: str) -> bool:
    """True when the value is in the text, as it is or quoted."""
    if value in text:
        return True
    return any(
        quoted[1:-1] in text for quoted in (json.dumps(value), json.dumps(value, ensure_ascii=False), repr(value))
    )
