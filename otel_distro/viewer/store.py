"""The SQLite store's writing side: rows in, old rows out, every drop counted."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from otel_distro.viewer.schema import open_for_writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from otel_distro.viewer.points import PointRow, Series
    from otel_distro.viewer.rows import Batch, LogRow, Resource, Scope, SpanRow

SPAN_SQL = f"INSERT OR REPLACE INTO span VALUES ({', '.join('?' * 15)})"
LOG_SQL = f"INSERT INTO log VALUES (NULL, {', '.join('?' * 11)})"
TRACE_SQL = """
INSERT INTO trace VALUES (?, ?)
ON CONFLICT (trace_id) DO UPDATE SET start_ns = min(start_ns, excluded.start_ns)
"""
POINT_SQL = f"INSERT OR REPLACE INTO point VALUES ({', '.join('?' * 9)})"
DROPPED_SQL = "INSERT INTO dropped VALUES (?, ?) ON CONFLICT (cause) DO UPDATE SET count = count + excluded.count"
OLD_TRACES = "trace_id IN (SELECT trace_id FROM trace WHERE start_ns <= ?)"
WITHOUT_POINTS = "NOT EXISTS (SELECT 1 FROM point WHERE series_id = series.id)"
PRUNE_TRACES = 500
PRUNE_ROWS = 5000
CACHE_ENTRIES = 10_000


@dataclass(frozen=True)
class Limits:
    """How much the store keeps; the oldest rows go first."""

    max_bytes: int = 1024**3
    max_age_seconds: float = 7 * 24 * 3600.0
    max_series: int = 5000


class Store:
    """Writes batches into the file; one thread at a time uses it."""

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        """Open or make the file, or raise StoreError."""
        self._connection = open_for_writing(path)
        self._connection.isolation_level = None
        self._limits = limits or Limits()
        self._resources: dict[Resource, int] = {}
        self._scopes: dict[Scope, int] = {}
        self._series: dict[Series, int] = {}

    def write(self, batches: Iterable[Batch]) -> None:
        """Write batches in one transaction: all of them, or none and sqlite3.Error."""
        with self._transaction():
            for batch in batches:
                self._write_spans(batch.spans)
                self._write_logs(batch.logs)
                self._write_points(batch.points)

    def count_dropped(self, cause: str, count: int) -> None:
        """Add to the count of records dropped for a cause."""
        self._connection.execute(DROPPED_SQL, (cause, count))

    def prune(self, now_ns: int | None = None) -> int:
        """Take one step of deleting what is too old or too much; return the rows deleted."""
        horizon = (now_ns or time.time_ns()) - int(self._limits.max_age_seconds * 1e9)
        cutoff = self._oldest_chunk_end()
        if cutoff is None or (cutoff > horizon and self._live_bytes() <= self._limits.max_bytes):
            return 0
        connection = self._connection
        before = connection.total_changes
        with self._transaction():
            for table in ("span", "trace"):
                connection.execute(f"DELETE FROM {table} WHERE {OLD_TRACES}", (cutoff,))
            for table in ("log", "point", "exemplar"):
                connection.execute(f"DELETE FROM {table} WHERE time_ns <= ?", (cutoff,))
            connection.execute(f"DELETE FROM series WHERE {WITHOUT_POINTS}")
            self._forget_ids()
        connection.executescript("PRAGMA incremental_vacuum")  # execute() would free a single page
        return connection.total_changes - before

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it; once more is nothing."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # The ids of rows that are rolled back must not be used again.
            self._forget_ids()
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _write_spans(self, spans: list[SpanRow]) -> None:
        rows = [
            (*span[2:12], self._resource_id(span.resource), self._scope_id(span.scope), *span[12:]) for span in spans
        ]
        self._connection.executemany(SPAN_SQL, rows)
        self._connection.executemany(TRACE_SQL, [(span.trace_id, span.start_ns) for span in spans])

    def _write_logs(self, logs: list[LogRow]) -> None:
        rows = [
            (*log[2:10], self._resource_id(log.resource), self._scope_id(log.scope), log.attributes) for log in logs
        ]
        self._connection.executemany(LOG_SQL, rows)

    def _write_points(self, points: list[PointRow]) -> None:
        refused = 0
        for point in points:
            series_id = self._series_id(point.series)
            if series_id is None:
                refused += 1
                continue
            self._connection.execute(POINT_SQL, (series_id, point.time_ns, point.start_ns, *point.values))
            self._connection.executemany(
                "INSERT OR REPLACE INTO exemplar VALUES (?, ?, ?, ?, ?, ?)",
                [(series_id, *exemplar) for exemplar in point.exemplars],
            )
        if refused:
            self.count_dropped("too_many_series", refused)

    def _resource_id(self, resource: Resource) -> int:
        found = self._resources.get(resource)
        if found is None:
            found = self._row_id("resource", {"service": resource.service, "attributes": resource.attributes})
            _remember(self._resources, resource, found)
        return found

    def _scope_id(self, scope: Scope) -> int:
        found = self._scopes.get(scope)
        if found is None:
            found = self._row_id("scope", scope._asdict())
            _remember(self._scopes, scope, found)
        return found

    def _series_id(self, series: Series) -> int | None:
        found = self._series.get(series)
        if found is None:
            key = series._asdict()
            key["resource_id"] = self._resource_id(key.pop("resource"))
            key["scope_id"] = self._scope_id(key.pop("scope"))
            if self._count("series") >= self._limits.max_series and not self._exists("series", key):
                return None
            found = self._row_id("series", key)
            _remember(self._series, series, found)
        return found

    def _row_id(self, table: str, key: dict[str, Any]) -> int:
        columns = ", ".join(key)
        places = ", ".join("?" * len(key))
        self._connection.execute(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({places})", tuple(key.values()))
        row = self._find(table, key)
        return int(row[0])

    def _exists(self, table: str, key: dict[str, Any]) -> bool:
        return self._find(table, key) is not None

    def _find(self, table: str, key: dict[str, Any]) -> Any:
        # A description is not part of a series' identity: two versions of one text must not make two series.
        same = {name: value for name, value in key.items() if name != "description"}
        where = " AND ".join(f"{name} = ?" for name in same)
        return self._connection.execute(f"SELECT id FROM {table} WHERE {where}", tuple(same.values())).fetchone()

    def _count(self, table: str) -> int:
        return int(self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def _forget_ids(self) -> None:
        self._resources.clear()
        self._scopes.clear()
        self._series.clear()

    def _live_bytes(self) -> int:
        pages, free, size = (
            int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def _oldest_chunk_end(self) -> int | None:
        ends = [
            self._time_at("trace", "start_ns", PRUNE_TRACES),
            *(self._time_at(table, "time_ns", PRUNE_ROWS) for table in ("log", "point")),
        ]
        return min((end for end in ends if end is not None), default=None)

    def _time_at(self, table: str, column: str, offset: int) -> int | None:
        sql = f"SELECT {column} FROM {table} ORDER BY {column} LIMIT 1 OFFSET ?"
        row = self._connection.execute(sql, (offset - 1,)).fetchone()
        if row is None:
            row = self._connection.execute(f"SELECT max({column}) FROM {table}").fetchone()
        return None if row[0] is None else int(row[0])


def _remember(cache: dict[Any, int], key: object, found: int) -> None:
    if len(cache) >= CACHE_ENTRIES:
        cache.clear()
    cache[key] = found
