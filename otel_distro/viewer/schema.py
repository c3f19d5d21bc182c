"""The SQLite file: its tables, its rights, and how it is opened for writing and for reading."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VERSION = 1
APPLICATION_ID = 0x4F54444C  # "OTDL": tells our file from any other SQLite file
SQLITE_HEADER = b"SQLite format 3\0"
BUSY_TIMEOUT_SECONDS = 5.0

TABLES = """
CREATE TABLE resource (id INTEGER PRIMARY KEY, service TEXT NOT NULL, attributes TEXT NOT NULL UNIQUE);
CREATE TABLE scope (id INTEGER PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL,
    attributes TEXT NOT NULL, UNIQUE (name, version, attributes));
CREATE TABLE trace (trace_id BLOB PRIMARY KEY, start_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX trace_by_time ON trace (start_ns);
CREATE TABLE span (trace_id BLOB NOT NULL, span_id BLOB NOT NULL, parent_id BLOB, start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL, name TEXT NOT NULL, kind INTEGER NOT NULL, status INTEGER NOT NULL,
    status_message TEXT NOT NULL, request_id TEXT, resource_id INTEGER NOT NULL, scope_id INTEGER NOT NULL,
    attributes TEXT NOT NULL, events TEXT NOT NULL, links TEXT NOT NULL, UNIQUE (trace_id, span_id));
CREATE INDEX span_by_request ON span (request_id) WHERE request_id IS NOT NULL;
CREATE TABLE log (id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, severity INTEGER NOT NULL,
    severity_text TEXT NOT NULL, body TEXT NOT NULL, event_name TEXT NOT NULL, trace_id BLOB, span_id BLOB,
    request_id TEXT, resource_id INTEGER NOT NULL, scope_id INTEGER NOT NULL, attributes TEXT NOT NULL);
CREATE INDEX log_by_time ON log (time_ns);
CREATE INDEX log_by_trace ON log (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX log_by_request ON log (request_id) WHERE request_id IS NOT NULL;
CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, unit TEXT NOT NULL,
    temporality INTEGER NOT NULL, monotonic INTEGER NOT NULL, description TEXT NOT NULL,
    resource_id INTEGER NOT NULL, scope_id INTEGER NOT NULL, attributes TEXT NOT NULL,
    UNIQUE (name, type, unit, temporality, monotonic, resource_id, scope_id, attributes));
CREATE TABLE point (series_id INTEGER NOT NULL, time_ns INTEGER NOT NULL, start_ns INTEGER NOT NULL, value,
    count INTEGER, sum REAL, min REAL, max REAL, buckets TEXT,
    PRIMARY KEY (series_id, time_ns, start_ns)) WITHOUT ROWID;
CREATE INDEX point_by_time ON point (time_ns);
CREATE TABLE exemplar (series_id INTEGER NOT NULL, time_ns INTEGER NOT NULL, value, trace_id BLOB NOT NULL,
    span_id BLOB NOT NULL, attributes TEXT NOT NULL,
    PRIMARY KEY (series_id, time_ns, trace_id, span_id)) WITHOUT ROWID;
CREATE INDEX exemplar_by_time ON exemplar (time_ns);
CREATE TABLE dropped (cause TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
"""


class StoreError(Exception):
    """The store file cannot be used; the text is one line for the user."""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open the store, made when absent: folder 0700, file 0600, WAL."""
    try:
        _create_private(path)
        return _open(path, "rw", _prepare)
    except (OSError, sqlite3.Error) as error:
        message = f"cannot write {path}: {_reason(error)}"
        raise StoreError(message) from error


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open an existing store read-only; a writer in another process may be at work."""
    if not path.exists():
        message = f"no store at {path}"
        raise StoreError(message)
    try:
        return _open(path, "ro", _check_ours)
    except (OSError, sqlite3.Error) as error:
        message = f"cannot read {path}: {_reason(error)}"
        raise StoreError(message) from error


def _open(path: Path, mode: str, check: Callable[[sqlite3.Connection, Path], None]) -> sqlite3.Connection:
    """Connect, and close the file again when it is no store of ours."""
    _check_header(path)
    uri = f"file:{quote(str(path))}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_SECONDS, check_same_thread=False)
    try:
        check(connection, path)
    except (StoreError, sqlite3.Error):
        connection.close()
        raise
    return connection


def copy(source: Path, target: Path) -> None:
    """Copy a store, with what is still in its write-ahead log, over the file `target`."""
    with closing(open_for_reading(source)) as reader, closing(sqlite3.connect(target)) as writer:
        reader.backup(writer)


def _check_header(path: Path) -> None:
    # SQLite takes a file of a few bytes for an empty database, and would write over it.
    with path.open("rb") as file:
        head = file.read(len(SQLITE_HEADER))
    if head and head != SQLITE_HEADER:
        message = f"{path} is not a store of otel-distro"
        raise StoreError(message)


def _create_private(path: Path) -> None:
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True)
    # SQLite would create the file with the umask's rights; -wal and -shm then copy the rights of this file.
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        os.close(os.open(path, flags, 0o600))
    except FileExistsError:
        return


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        connection.execute("PRAGMA page_size = 8192")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        script = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
        connection.executescript(f"BEGIN IMMEDIATE; {TABLES} {script} COMMIT;")
    _check_ours(connection, path)
    path.chmod(0o600)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA journal_size_limit = 67108864")


def _check_ours(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        message = f"{path} is not a store of otel-distro"
        raise StoreError(message)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        message = f"{path} has store version {version}, this otel-distro reads version {VERSION}"
        raise StoreError(message)


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
