"""What a series of points amounts to, whatever its temporality."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from otel_distro.viewer.answer import TEMPORALITIES, Exemplar, Series

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

CUMULATIVE = TEMPORALITIES.index("cumulative")
NEWEST_EXEMPLARS = 10

SERIES_SQL = """
SELECT series.id, name, type, unit, temporality, monotonic, service, series.attributes, resource.attributes
FROM series JOIN resource ON resource.id = resource_id WHERE name = ?
ORDER BY series.attributes, service, series.id
"""
POINT_SQL = """
SELECT time_ns, start_ns, value, count, sum, min, max, buckets FROM point WHERE series_id = ?
ORDER BY start_ns, time_ns
"""
EXEMPLAR_SQL = """
SELECT time_ns, value, trace_id, span_id FROM exemplar WHERE series_id = ? ORDER BY time_ns DESC LIMIT ?
"""
TRACE_EXEMPLAR_SQL = """
SELECT DISTINCT name, series.attributes FROM exemplar JOIN series ON series.id = series_id WHERE trace_id = ?
"""


def series(connection: sqlite3.Connection, name: str) -> tuple[Series, ...]:
    """Return the series of a metric."""
    return tuple(_series(connection, row) for row in connection.execute(SERIES_SQL, (name,)).fetchall())


def exemplars(connection: sqlite3.Connection, trace_id: bytes) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return name and attributes of the series that have an exemplar in a trace."""
    rows = connection.execute(TRACE_EXEMPLAR_SQL, (trace_id,)).fetchall()
    return tuple((name, json.loads(attributes)) for name, attributes in rows)


def _series(connection: sqlite3.Connection, row: Any) -> Series:
    series_id, name, kind, unit, temporality, monotonic, service, attributes, resource = row
    points = connection.execute(POINT_SQL, (series_id,)).fetchall()
    adding = kind not in {"gauge", "sum"} or bool(monotonic)
    parts = _parts(points, cumulative=temporality == CUMULATIVE, adding=adding, gauge=kind == "gauge")
    newest = connection.execute(EXEMPLAR_SQL, (series_id, NEWEST_EXEMPLARS)).fetchall()
    return Series(
        name=name,
        type=kind,
        unit=unit,
        temporality=TEMPORALITIES[temporality] if temporality < len(TEMPORALITIES) else str(temporality),
        service=service,
        attributes=json.loads(attributes),
        resource=json.loads(resource),
        start_ns=min((point[1] for point in points), default=0),
        time_ns=max((point[0] for point in points), default=0),
        points=len(points),
        value=_total(part[2] for part in parts),
        count=_whole(_total(part[3] for part in parts)),
        sum=_total(part[4] for part in parts),
        min=min(_numbers(part[5] for part in parts), default=None),
        max=max(_numbers(part[6] for part in parts), default=None),
        buckets=_buckets([part[7] for part in parts if part[7]]),
        exemplars=tuple(Exemplar(time, value, trace.hex(), span.hex()) for time, value, trace, span in newest),
    )


def _parts(points: Sequence[Any], *, cumulative: bool, adding: bool, gauge: bool) -> list[Any]:
    """Pick the points whose sum is the series' total.

    A cumulative series that restarts begins a new run with a new start time: the total sums each run's end.
    """
    if not points:
        return []
    if gauge:
        return [max(points, key=lambda point: point[0])]
    if not cumulative:
        return list(points)
    ends = list({point[1]: point for point in points}.values())
    return ends if adding else [max(ends, key=lambda point: point[0])]


def _numbers(values: Iterable[Any]) -> list[float]:
    # NaN and infinities are stored as text: they would make every total useless.
    return [value for value in values if isinstance(value, (int, float))]


def _total(values: Iterable[Any]) -> float | None:
    numbers = _numbers(values)
    return sum(numbers) if numbers else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _buckets(texts: Sequence[str]) -> dict[str, Any] | None:
    if not texts:
        return None
    parts = [json.loads(text) for text in texts]
    last: dict[str, Any] = parts[-1]
    bounds = last.get("bounds")
    if bounds is None:
        return last
    same = [part["counts"] for part in parts if part.get("bounds") == bounds]
    return {"bounds": bounds, "counts": [sum(column) for column in zip(*same, strict=False)]}
