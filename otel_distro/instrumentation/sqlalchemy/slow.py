"""Slow queries: marked on the span, counted, and told by an event in the query's trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_distro.context.work import current_fields
from otel_distro.record import HANDOVER, LogRecord, Measurement
from otel_distro.semconv.db import (
    DURATION_MS,
    NAMESPACE,
    SCOPE,
    SLOW,
    SLOW_QUERIES,
    SLOW_QUERY,
    SUMMARY,
    SYSTEM,
    TEXT,
)

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from otel_distro.instrumentation.sqlalchemy.database import Entry

WARNING_SEVERITY = 13
_SHOWN = (SYSTEM.key, NAMESPACE.key, SUMMARY.key, TEXT.key)


def tell(span: Span, entry: Entry, times: tuple[int, int]) -> None:
    """Say that this query, not yet ended, was slow."""
    span.set_attribute(SLOW.key, True)  # noqa: FBT003 - the API's signature
    start, end = times
    milliseconds = (end - start) / 1e6
    where = span.get_span_context()
    trace_id, span_id, flags = where.trace_id, where.span_id, where.trace_flags
    HANDOVER.sink.measure(Measurement(SLOW_QUERIES, 1, entry.key, trace_id, span_id, flags))
    shown = {key: entry.attributes[key] for key in _SHOWN if key in entry.attributes}
    HANDOVER.sink.log(
        LogRecord(
            end,
            WARNING_SEVERITY,
            "WARNING",
            SCOPE,
            f"slow query: {entry.name} took {milliseconds:.0f} ms",
            attributes={**shown, DURATION_MS.key: milliseconds},
            fields=current_fields(end),
            trace_id=trace_id,
            span_id=span_id,
            trace_flags=flags,
            event_name=SLOW_QUERY.name,
        )
    )
