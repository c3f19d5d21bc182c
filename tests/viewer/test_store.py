"""The store file: its rights, what it survives, what it refuses, and what it lets go."""

from __future__ import annotations

import json
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from otel_distro.viewer.decode import JSON, decode
from otel_distro.viewer.query import LogFilter, Query
from otel_distro.viewer.receiver import FLATTEN
from otel_distro.viewer.rows import Batch
from otel_distro.viewer.schema import StoreError
from otel_distro.viewer.store import Limits, Store
from tests.viewer.client import Client, envelope, log, span

SECOND = 10**9


def batch(signal: str, *records: dict[str, Any]) -> Batch:
    """Return the rows of an export request."""
    return FLATTEN[signal](decode(signal, json.dumps(envelope(signal, list(records))).encode(), JSON, ""))


def gauge(name: str, second: int) -> dict[str, Any]:
    """Return a metric with one point."""
    return {"name": name, "gauge": {"dataPoints": [{"timeUnixNano": str(second * SECOND), "asInt": "1"}]}}


def test_only_the_user_can_read_it(viewer: Client) -> None:
    """The folder is 0700; the file and what SQLite puts beside it are 0600."""
    viewer.send("traces", span(1))
    folder = viewer.path.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_it_is_opened_again(viewer: Client) -> None:
    """A viewer that is started again goes on with what it had; nothing is left beside the file."""
    viewer.send("traces", span(1))
    viewer.close()
    again = Client(viewer.path)
    again.send("traces", span(2))
    assert again.stored().counts().spans == 2
    again.close()
    assert again.path.exists()


@pytest.mark.parametrize("content", [b"notes\n" * 1000, b"x"])
def test_a_file_of_another_kind_is_left_alone(tmp_path: Path, content: bytes) -> None:
    """A path that names something else is refused in one line, and not touched."""
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"notes\.txt is not a store of otel-distro"):
        Store(path)
    with pytest.raises(StoreError, match=r"notes\.txt"):
        Query(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    """A SQLite file that is not ours is refused, whatever is in it."""
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE mine (id)")
    other.close()
    before = path.read_bytes()
    for opened in (Store, Query):
        with pytest.raises(StoreError, match="is not a store of otel-distro"):
            opened(path)
    assert path.read_bytes() == before


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    """A file of a later version says so."""
    path = tmp_path / "viewer.db"
    Store(path).close()
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StoreError, match="store version 99, this otel-distro reads version 1"):
        Store(path)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    """A path below a file cannot be written."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot write .*: Not a directory"):
        Store(tmp_path / "file" / "viewer.db")


def test_a_reader_needs_a_store(tmp_path: Path) -> None:
    """Reading never makes a file."""
    with pytest.raises(StoreError, match="no store at"):
        Query(tmp_path / "viewer.db")
    assert not list(tmp_path.iterdir())


def test_reading_cannot_write(viewer: Client) -> None:
    """The query layer's connection is read-only."""
    viewer.send("traces", span(1))
    with viewer.stored() as query, pytest.raises(sqlite3.OperationalError, match="readonly"):
        query._connection.execute("DELETE FROM span")


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    """Beyond the age, traces go whole, and logs, points and series; what is younger stays."""
    path = tmp_path / "viewer.db"
    store = Store(path, Limits(max_age_seconds=60))
    store.write(
        [
            batch("traces", span(1), span(2, 1)),
            batch("logs", log(1, "a", 1)),
            batch("metrics", gauge("old", 1)),
        ]
    )
    pruned = store.prune(now_ns=100 * SECOND)
    store.write([batch("traces", span(90, trace="ab" * 16)), batch("logs", log(90, "b"))])
    assert (pruned > 0, store.prune(now_ns=100 * SECOND)) == (True, 0)
    store.close()
    with Query(path) as query:
        counts = query.counts()
        assert (counts.traces, counts.spans, counts.logs, counts.metric_points) == (1, 1, 1, 0)
        assert query.metrics() == ()


def test_what_is_too_much_goes_oldest_first(tmp_path: Path) -> None:
    """Beyond the size, the oldest records go until it fits; the newest stay."""
    path = tmp_path / "viewer.db"
    store = Store(path, Limits(max_bytes=2_000_000, max_age_seconds=1e9))
    for start in range(0, 20_000, 1000):
        store.write([batch("logs", *(log(second, "x" * 200) for second in range(start + 1, start + 1001)))])
    while store.prune(now_ns=20_000 * SECOND):
        pass
    store.close()
    assert path.stat().st_size <= 2_500_000
    with Query(path) as query:
        kept = query.logs(LogFilter())
        assert 0 < len(kept) < 10_000
        assert kept[-1].time_ns == 20_000 * SECOND


def test_a_batch_that_cannot_be_written_leaves_no_trace(tmp_path: Path) -> None:
    """All batches of one write are stored, or none; the next write goes on."""
    path = tmp_path / "viewer.db"
    store = Store(path)
    bad = batch("traces", span(2))
    bad.spans[0] = bad.spans[0]._replace(start_ns=2**70)
    with pytest.raises(OverflowError):
        store.write([batch("traces", span(1)), bad])
    store.write([batch("traces", span(3))])
    store.close()
    with Query(path) as query:
        assert [row.name for row in query.traces()] == ["span 3"]


def test_too_many_series_are_counted(tmp_path: Path) -> None:
    """Series beyond the limit are left out and counted; those known go on."""
    path = tmp_path / "viewer.db"
    store = Store(path, Limits(max_series=2))
    for second in (1, 2):
        store.write([batch("metrics", *(gauge(name, second) for name in ("a", "b", "c")))])
    store.close()
    with Query(path) as query:
        assert ([metric.name for metric in query.metrics()], query.counts().dropped) == (
            ["a", "b"],
            {"too_many_series": 2},
        )
