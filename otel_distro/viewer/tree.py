"""Spans and log records become the lines of a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_distro.viewer.answer import Entry, Log, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def tree(spans: Sequence[Span], logs: Iterable[Log]) -> tuple[Entry, ...]:
    """Order spans parent before child, siblings and log records by time.

    Without recursion: telemetry may hold a chain of ten thousand spans, or a loop.
    """
    inside: dict[str | None, list[Span | Log]] = {}
    known = {span.span_id for span in spans}
    for span in spans:
        inside.setdefault(span.parent_id if span.parent_id in known else None, []).append(span)
    for log in logs:
        inside.setdefault(log.span_id if log.span_id in known else None, []).append(log)
    entries: list[Entry] = []
    shown: set[str] = set()
    _grow(entries, inside, inside.pop(None, []), shown)
    # What is still there has no root: its parents go round in a loop. It is shown rather than lost.
    for span in spans:
        if span.span_id not in shown:
            _grow(entries, inside, [span], shown)
    return tuple(entries)


def _grow(
    entries: list[Entry],
    inside: dict[str | None, list[Span | Log]],
    roots: Iterable[Span | Log],
    shown: set[str],
) -> None:
    pending = [(0, item) for item in sorted(roots, key=_time, reverse=True)]
    while pending:
        depth, item = pending.pop()
        if isinstance(item, Log):
            entries.append(Entry(depth, None, item))
            continue
        if item.span_id in shown:
            continue
        shown.add(item.span_id)
        entries.append(Entry(depth, item, None))
        children = inside.pop(item.span_id, [])
        pending.extend((depth + 1, child) for child in sorted(children, key=_time, reverse=True))


def _time(item: Span | Log) -> int:
    return item.start_ns if isinstance(item, Span) else item.time_ns
