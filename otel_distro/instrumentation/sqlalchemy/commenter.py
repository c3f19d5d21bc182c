"""The SQL commenter: the query's trace context and driver, appended to the statement as a comment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from opentelemetry import context
from opentelemetry.trace import set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import Span

FRAMEWORK_TAGS = "SQLCOMMENTER_ORM_TAGS_AND_VALUES"
"""Context key under which upstream's web framework instrumentations leave their tags."""


_PROPAGATOR = TraceContextTextMapPropagator()  # and no other: baggage has no business in a database's log


class Commenter:
    """What `enable_commenter`, `commenter_options` and `enable_attribute_commenter` ask for."""

    def __init__(self, options: Mapping[str, Any] | None, *, in_attribute: bool = False) -> None:
        self._options = dict(options or {})
        self.in_attribute = in_attribute
        """Whether the comment is also in the span's `db.query.text`."""

    @classmethod
    def asked_for(cls, options: Mapping[str, Any]) -> Commenter | None:
        """The commenter that these options of `instrument()` ask for, or None."""
        if not options.get("enable_commenter"):
            return None
        in_attribute = bool(options.get("enable_attribute_commenter"))
        return cls(options.get("commenter_options"), in_attribute=in_attribute)

    def comment(self, driver: str, span: Span) -> str:
        """The comment for a statement that is this span's."""
        from sqlalchemy import __version__

        values: dict[str, Any] = {"db_driver": driver, "db_framework": f"sqlalchemy:{__version__}"}
        if self._options.get("opentelemetry_values", True):
            _PROPAGATOR.inject(values, set_span_in_context(span))
        values = {key: value for key, value in values.items() if self._options.get(key, True)}
        values.update(context.get_value(FRAMEWORK_TAGS) or {})  # type: ignore[call-overload]
        pairs = (f"{_quoted(key)}={_literal(value)}" for key, value in sorted(values.items()) if value is not None)
        text = ",".join(pairs)
        return f" /*{text}*/" if text else ""


def commented(statement: str, comment: str) -> str:
    """The statement with the comment at its end, before a final semicolon."""
    statement = statement.rstrip()
    if statement.endswith(";"):
        return f"{statement[:-1]}{comment};"
    return statement + comment


def _literal(value: object) -> str:
    """As upstream writes it: numbers as they are, texts in quotes."""
    return f"'{_quoted(value)}'" if isinstance(value, (str, bytes)) else str(value)


def _quoted(value: object) -> str:
    # A driver with format or pyformat parameters reads a single percent sign as a placeholder's beginning.
    return quote(value.decode() if isinstance(value, bytes) else str(value)).replace("%", "%%")
