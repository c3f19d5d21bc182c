"""What arrived, read from the Collector's files as they grow; by service, each item with how often it came."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.e2e.trace_store import attributes_of
from tests.reliability.app.naming import ITEM

_LINE = "item "
_DERIVED = frozenset({"request_completed", "task_completed"})


class Service:
    """Spans and log lines of one service."""

    def __init__(self) -> None:
        self.spans: Counter[str] = Counter()
        """Spans that carry an item, by item."""
        self.lines: Counter[str] = Counter()
        """Lines of the application about an item, by item."""
        self.others: Counter[str] = Counter()
        """All other lines, by text."""
        self.span_ids: Counter[str] = Counter()
        self.processes: set[int] = set()
        """The ids of the processes that sent something."""
        self._item_of: dict[str, str] = {}
        self._derived: list[str] = []

    @property
    def completed(self) -> Counter[str]:
        """Lines that the pipeline derived from a span with an item, by item."""
        return Counter(self._item_of[span] for span in self._derived if span in self._item_of)

    def take_span(self, span: dict[str, Any]) -> None:
        """Count a span."""
        self.span_ids[span["spanId"]] += 1
        item = attributes_of(span).get(ITEM)
        if item is not None:
            self.spans[item] += 1
            self._item_of[span["spanId"]] = item

    def take_line(self, record: dict[str, Any]) -> None:
        """Count a log record."""
        text = record["body"].get("stringValue", "")
        if text.startswith(_LINE):
            self.lines[text[len(_LINE) :]] += 1
        elif text in _DERIVED:
            self._derived.append(record["spanId"])
        else:
            self.others[text] += 1


class Arrivals:
    """Reads on where it stopped before."""

    def __init__(self, traces: Path, logs: Path) -> None:
        self._traces = _Tail(traces)
        self._logs = _Tail(logs)
        self._services: dict[str, Service] = defaultdict(Service)

    def of(self, name: str) -> Service:
        """What came of one service."""
        return self._services[name]

    def read(self) -> None:
        """Read what is new."""
        for document in self._traces.documents():
            for service, scope in self._scopes(document, "resourceSpans", "scopeSpans"):
                for span in scope["spans"]:
                    service.take_span(span)
        for document in self._logs.documents():
            for service, scope in self._scopes(document, "resourceLogs", "scopeLogs"):
                for record in scope["logRecords"]:
                    service.take_line(record)

    def _scopes(self, document: dict[str, Any], outer: str, inner: str) -> Iterator[tuple[Service, dict[str, Any]]]:
        for group in document.get(outer, ()):
            resource = attributes_of(group.get("resource", {}))
            service = self._services[resource.get("service.name", "")]
            service.processes.add(resource.get("process.pid", 0))
            for scope in group.get(inner, ()):
                yield service, scope


class _Tail:
    """A file of JSON lines that another process writes."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = 0

    def documents(self) -> Iterator[dict[str, Any]]:
        if not self._file.exists():
            return
        with self._file.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):  # being written
                    return
                self._offset += len(line)
                yield json.loads(line)
