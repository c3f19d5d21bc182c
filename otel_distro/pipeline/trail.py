"""The trail of each local trace: its latest log lines, queries and calls, for the error that may follow."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import SpanKind, StatusCode

from otel_distro.record import LogRecord
from otel_distro.semconv import db, http
from otel_distro.semconv.errors import BREADCRUMB_EVENT, CATEGORY

if TYPE_CHECKING:
    from otel_distro.pipeline.span import Span

_MAX_TRACES = 512
_MAX_TEXT = 200
_MAX_BYTES = 8192
_CLIENT = SpanKind.CLIENT


class Trail(dict[int, "deque[Any]"]):
    """Records that left anyway, by trace: the last `most` of each, of the 512 traces that came last.

    The pipeline's thread only. To note a step is `trail[trace_id].append(record)`, and nothing is rendered unless there
    is an error.
    """

    __slots__ = ("_most",)

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __missing__(self, trace_id: int) -> deque[Any]:
        """The first step of a trace."""
        if len(self) >= _MAX_TRACES:
            del self[next(iter(self))]
        steps = self[trace_id] = deque(maxlen=self._most)
        return steps

    def before(self, error: LogRecord) -> str:
        """What came before an error, as a JSON list, the latest last; empty when nothing did."""
        steps = self.get(error.trace_id, ())
        told: list[str] = []
        size = 2
        for step in reversed(steps):
            if step is error:
                continue
            text = json.dumps(_crumb(step), ensure_ascii=False, separators=(",", ":"))
            size += len(text.encode("utf-8", "replace")) + 1
            if size > _MAX_BYTES:
                break
            told.append(text)
        return f"[{','.join(reversed(told))}]" if told else ""


def _crumb(step: LogRecord | Span) -> dict[str, Any]:
    return _of_line(step) if isinstance(step, LogRecord) else _of_span(step)


def _of_line(record: LogRecord) -> dict[str, Any]:
    attributes = record.attributes or {}
    own = record.event_name == BREADCRUMB_EVENT.name
    crumb: dict[str, Any] = {
        "time_ns": record.time_unix_nano,
        "category": attributes.get(CATEGORY.key, "app") if own else "log",
        "message": record.body[:_MAX_TEXT],
    }
    if own:
        return {**crumb, **{key: value for key, value in attributes.items() if key != CATEGORY.key}}
    return {**crumb, "level": record.severity_text, "logger": record.scope}


def _of_span(span: Span) -> dict[str, Any]:
    found = span._attributes  # noqa: SLF001 - the record's fields
    category = "query" if db.SYSTEM.key in found else "http" if http.METHOD.key in found else "span"
    crumb: dict[str, Any] = {
        "time_ns": span._start_time,  # noqa: SLF001
        "category": category,
        "message": span._name[:_MAX_TEXT],  # noqa: SLF001
        "duration_ms": round(span.duration_ns / 1e6, 3),
    }
    for key in (http.STATUS.key, db.RESPONSE_STATUS.key):
        if key in found:
            crumb["status"] = found[key]
    if span._status.status_code is StatusCode.ERROR:  # noqa: SLF001
        crumb["failed"] = True
    return crumb
