"""The one read-only query layer: every face (terminal, JSON, page) asks here."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from otel_distro.viewer.answer import (
    KINDS,
    STATUSES,
    Counts,
    Log,
    Metric,
    Series,
    Span,
    Trace,
    TraceSummary,
)
from otel_distro.viewer.schema import open_for_reading
from otel_distro.viewer.series import exemplars, series
from otel_distro.viewer.tree import tree

if TYPE_CHECKING:
    from pathlib import Path

MAX_TRACE_SPANS = 10_000
MAX_TRACE_LOGS = 10_000
MAX_REQUEST_TRACES = 100
TRACE_ID_DIGITS = 32
ERROR = STATUSES.index("error")

SPAN_SQL = """
SELECT span.trace_id, span_id, parent_id, span.name, kind, service, scope.name, start_ns, end_ns, status,
    status_message, request_id, span.attributes, events, links, resource.attributes
FROM span JOIN resource ON resource.id = resource_id JOIN scope ON scope.id = scope_id
"""
LOG_SQL = """
SELECT time_ns, severity, severity_text, body, event_name, service, scope.name, trace_id, span_id, request_id,
    log.attributes, resource.attributes
FROM log JOIN resource ON resource.id = resource_id JOIN scope ON scope.id = scope_id
"""
SUMMARY_SQL = """
SELECT min(start_ns), max(end_ns), count(*), sum(status = ?), max(request_id) FROM span WHERE trace_id = ?
"""
SERVICES_SQL = """
SELECT DISTINCT service FROM span JOIN resource ON resource.id = resource_id WHERE trace_id = ?
"""
ROOT_SQL = """
SELECT span.name, service FROM span JOIN resource ON resource.id = resource_id
WHERE trace_id = ? ORDER BY parent_id IS NOT NULL, start_ns LIMIT 1
"""
METRIC_SQL = """
SELECT name, type, unit, max(description), count(*),
    sum((SELECT count(*) FROM point WHERE series_id = series.id))
FROM series GROUP BY name, type, unit ORDER BY name
"""


@dataclass(frozen=True)
class LogFilter:
    """Which log records; every field that is set must match. `severity` is the least severity number."""

    trace_id: str | None = None
    request_id: str | None = None
    service: str | None = None
    severity: int = 0
    text: str | None = None


class Query:
    """Questions to one store file; close it when done (a context manager)."""

    def __init__(self, path: Path) -> None:
        """Open the file read-only, or raise StoreError."""
        self._connection = open_for_reading(path)

    def __enter__(self) -> Query:
        """Return itself."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def traces(
        self, limit: int = 20, service: str | None = None, status: str | None = None
    ) -> tuple[TraceSummary, ...]:
        """List the newest traces; `status` is "error" or "ok" (no span failed)."""
        inside = "SELECT 1 FROM span WHERE span.trace_id = trace.trace_id AND"
        where: list[str] = []
        values: list[Any] = []
        if service is not None:
            where.append(f"EXISTS ({inside} resource_id IN (SELECT id FROM resource WHERE service = ?))")
            values.append(service)
        if status is not None:
            where.append(f"{'' if status == 'error' else 'NOT '}EXISTS ({inside} status = ?)")
            values.append(ERROR)
        sql = f"SELECT trace_id FROM trace {_where(where)} ORDER BY start_ns DESC LIMIT ?"
        found = (self._summary(row[0]) for row in self._rows(sql, *values, limit))
        return tuple(summary for summary in found if summary is not None)

    def trace(self, trace_id: str) -> Trace | None:
        """Return a trace with its log records, or None."""
        key = _id(trace_id)
        if key is None:
            return None
        spans = self._rows(f"{SPAN_SQL} WHERE span.trace_id = ? ORDER BY start_ns LIMIT ?", key, MAX_TRACE_SPANS + 1)
        logs = self._rows(f"{LOG_SQL} WHERE trace_id = ? ORDER BY time_ns, log.id LIMIT ?", key, MAX_TRACE_LOGS + 1)
        if not spans and not logs:
            return None
        lines = tree([_span(row) for row in spans[:MAX_TRACE_SPANS]], [_log(row) for row in logs[:MAX_TRACE_LOGS]])
        return Trace(key.hex(), lines, len(spans) > MAX_TRACE_SPANS or len(logs) > MAX_TRACE_LOGS)

    def traces_of_request(self, request_id: str) -> tuple[str, ...]:
        """Return the ids of the traces that a request id is in, oldest first."""
        sql = """
        SELECT trace_id, min(at) FROM (
            SELECT trace_id, start_ns AS at FROM span WHERE request_id = ?
            UNION ALL SELECT trace_id, time_ns FROM log WHERE request_id = ? AND trace_id IS NOT NULL)
        GROUP BY trace_id ORDER BY min(at) LIMIT ?
        """
        rows = self._rows(sql, request_id, request_id, MAX_REQUEST_TRACES)
        return tuple(row[0].hex() for row in rows)

    def find_traces(self, name: str) -> tuple[Trace, ...]:
        """Return the trace with that id, else the traces of the request with that id."""
        found = self.trace(name)
        if found is not None:
            return (found,)
        traces = (self.trace(trace_id) for trace_id in self.traces_of_request(name))
        return tuple(trace for trace in traces if trace is not None)

    def logs(self, wanted: LogFilter, limit: int | None = None) -> tuple[Log, ...]:
        """Return the newest matching log records, oldest first."""
        where: list[str] = []
        values: list[Any] = []
        conditions: tuple[tuple[str, Any], ...] = (
            ("trace_id = ?", None if wanted.trace_id is None else _id(wanted.trace_id) or b""),
            ("request_id = ?", wanted.request_id),
            ("service = ?", wanted.service),
            ("severity >= ?", wanted.severity or None),
            ("instr(lower(body), lower(?))", wanted.text),
        )
        for condition, value in conditions:
            if value is not None:
                where.append(condition)
                values.append(value)
        sql = f"{LOG_SQL} {_where(where)} ORDER BY time_ns DESC, log.id DESC LIMIT ?"
        found = self._rows(sql, *values, -1 if limit is None else limit)
        return tuple(_log(row) for row in reversed(found))

    def metrics(self) -> tuple[Metric, ...]:
        """List the metrics."""
        return tuple(Metric(*row) for row in self._rows(METRIC_SQL))

    def series(self, name: str) -> tuple[Series, ...]:
        """Return the series of a metric, with their totals and newest exemplars."""
        return series(self._connection, name)

    def exemplars_of_trace(self, trace_id: str) -> tuple[tuple[str, dict[str, Any]], ...]:
        """Return the metrics (name, attributes) that have an exemplar in a trace."""
        return exemplars(self._connection, _id(trace_id) or b"")

    def counts(self) -> Counts:
        """Count what the store holds."""
        return Counts(
            traces=self._count("trace"),
            spans=self._count("span"),
            logs=self._count("log"),
            metric_points=self._count("point"),
            exemplars=self._count("exemplar"),
            dropped=dict(self._rows("SELECT cause, count FROM dropped")),
        )

    def _count(self, table: str) -> int:
        return int(self._rows(f"SELECT count(*) FROM {table}")[0][0])

    def _summary(self, trace_id: bytes) -> TraceSummary | None:
        roots = self._rows(ROOT_SQL, trace_id)
        if not roots:  # pruned since it was listed
            return None
        services = tuple(sorted(row[0] for row in self._rows(SERVICES_SQL, trace_id)))
        start, end, spans, errors, request_id = self._rows(SUMMARY_SQL, ERROR, trace_id)[0]
        name, service = roots[0]
        return TraceSummary(trace_id.hex(), name, service, services, request_id, start, end, spans, errors)

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        with closing(self._connection.execute(sql, values)) as cursor:
            return cursor.fetchall()


def _where(conditions: list[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def _id(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text) if len(text) == TRACE_ID_DIGITS else None
    except ValueError:
        return None


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


def _span(row: Any) -> Span:
    return Span(
        trace_id=row[0].hex(),
        span_id=row[1].hex(),
        parent_id=_hex(row[2]),
        name=row[3],
        kind=_word(KINDS, row[4]),
        service=row[5],
        scope=row[6],
        start_ns=row[7],
        end_ns=row[8],
        status=_word(STATUSES, row[9]),
        status_message=row[10],
        request_id=row[11],
        attributes=json.loads(row[12]),
        events=json.loads(row[13]),
        links=json.loads(row[14]),
        resource=json.loads(row[15]),
    )


def _log(row: Any) -> Log:
    return Log(
        time_ns=row[0],
        severity=row[1],
        severity_text=row[2],
        body=row[3],
        event_name=row[4],
        service=row[5],
        logger=row[6],
        trace_id=_hex(row[7]),
        span_id=_hex(row[8]),
        request_id=row[9],
        attributes=json.loads(row[10]),
        resource=json.loads(row[11]),
    )


def _word(words: tuple[str, ...], number: int) -> str:
    return words[number] if 0 <= number < len(words) else str(number)
