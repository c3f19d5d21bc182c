"""A trace as text: one line per span and log record, indented by its place in the tree."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from otel_distro.cli.terminal import clean, clean_lines, cut, milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_distro.viewer.answer import Entry, Log, Span, Trace

SHOWN_DEPTH = 30
VALUE_CHARACTERS = 100
STACK_LINES = 6
SPAN_KEYS = (
    "http.response.status_code",
    "db.system.name",
    "db.query.text",
    "messaging.destination.name",
    "celery.task.outcome",
    "celery.task.retries",
    "url.full",
    "websocket.close_code",
    "error.type",
)
LOG_KEYS = (
    "http.request.method",
    "http.route",
    "http.response.status_code",
    "celery.task.name",
    "celery.task.outcome",
    "duration_ms",
    "user.id",
    "user.hash",
    "session.id",
    "error.type",
)
GLYPHS = ("│  ", "├─ ", "└─ ")
PLAIN_GLYPHS = ("|  ", "|- ", "`- ")


def trace_lines(trace: Trace) -> Iterator[str]:
    """Yield a trace's lines."""
    spans = trace.spans
    start = min([span.start_ns for span in spans] or [log.time_ns for log in trace.logs])
    yield _headline(trace, start)
    glyphs = GLYPHS if _can_show(GLYPHS[1]) else PLAIN_GLYPHS
    services: dict[int, str] = {}
    for entry, indent in zip(trace.entries, _indents(trace.entries, glyphs), strict=True):
        if entry.span is not None:
            services[entry.depth] = entry.span.service
            text = span_line(entry.span, services.get(entry.depth - 1))
            yield _line(entry.span.start_ns - start, indent, text)
            for error in _exceptions(entry.span):
                yield _line(None, _below(indent, glyphs) + glyphs[0], error)
        elif entry.log is not None:
            yield _line(entry.log.time_ns - start, indent, log_text(entry.log))
            for line in _stack(entry.log):
                yield _line(None, _below(indent, glyphs), line)
    if trace.truncated:
        yield "... and more: the trace is too large to be shown whole"


def span_line(span: Span, parents_service: str | None = None) -> str:
    """Return one span in one line; its service only where it is not its parent's."""
    parts = [cut(span.name, VALUE_CHARACTERS), span.kind, milliseconds(span.duration_ms)]
    if span.service != parents_service:
        parts.insert(1, f"[{clean(span.service)}]")
    if span.status == "error":
        parts.append(f"ERROR {cut(span.status_message, VALUE_CHARACTERS)}".rstrip())
    return "  ".join([*parts, *_pairs(span.attributes, SPAN_KEYS)])


def log_text(log: Log) -> str:
    """Return one log record in one line."""
    level = log.severity_text or str(log.severity)
    body = cut(log.body or log.event_name, 4 * VALUE_CHARACTERS)
    return "  ".join([f"{clean(level):<5} {clean(log.logger)}: {body}", *_pairs(log.attributes, LOG_KEYS)])


def _headline(trace: Trace, start: int) -> str:
    spans = trace.spans
    parts = [f"trace {trace.trace_id}"]
    ids = {span.request_id for span in spans} | {log.request_id for log in trace.logs}
    requests = sorted(request_id for request_id in ids if request_id)
    if requests:
        parts.append(f"request {cut(', '.join(requests), VALUE_CHARACTERS)}")
    if spans:
        parts.append(milliseconds((max(span.end_ns for span in spans) - start) / 1e6))
    parts.append(f"{len(spans)} spans, {len(trace.logs)} log lines")
    errors = sum(span.status == "error" for span in spans)
    if errors:
        parts.append(f"{errors} with errors")
    return " · ".join(parts) if _can_show("·") else " - ".join(parts)


def _indents(entries: tuple[Entry, ...], glyphs: tuple[str, str, str]) -> list[str]:
    """Draw the branches from the last line up: one goes on where a later line of its depth is to come."""
    bar, fork, corner = glyphs
    indents: list[str] = []
    going_on: set[int] = set()
    for entry in reversed(entries):
        depth = min(entry.depth, SHOWN_DEPTH)
        going_on = {level for level in going_on if level <= depth}
        bars = "".join(bar if level in going_on else " " * len(bar) for level in range(1, depth))
        last = fork if depth in going_on else corner
        indents.append(bars + (last if depth else ""))
        going_on.add(depth)
    return indents[::-1]


def _below(indent: str, glyphs: tuple[str, str, str]) -> str:
    bar, fork, corner = glyphs
    return indent.replace(fork, bar).replace(corner, " " * len(corner))


def _line(offset_ns: int | None, indent: str, text: str) -> str:
    offset = "" if offset_ns is None else f"+{offset_ns / 1e6:.1f}"
    return f"{offset:>9} {indent}{text}".rstrip()


def _pairs(attributes: dict[str, Any], keys: tuple[str, ...]) -> list[str]:
    return [f"{key}={cut(attributes[key], VALUE_CHARACTERS)}" for key in keys if attributes.get(key) not in (None, "")]


def _exceptions(span: Span) -> Iterator[str]:
    for event in span.events:
        if event["name"] == "exception":
            kind = event["attributes"].get("exception.type", "exception")
            text = event["attributes"].get("exception.message", "")
            yield f"exception {cut(kind, VALUE_CHARACTERS)}: {cut(text, VALUE_CHARACTERS)}"


def _stack(log: Log) -> list[str]:
    stack = log.attributes.get("exception.stacktrace")
    if not isinstance(stack, str) or not stack:
        return []
    lines = clean_lines(stack)
    hidden = len(lines) - STACK_LINES
    return lines if hidden <= 1 else [f"... {hidden} lines", *lines[-STACK_LINES:]]


def _can_show(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
