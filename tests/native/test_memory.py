"""The extension keeps nothing that it should give back."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from otel_distro.exporter.logs import encode_log
from otel_distro.exporter.spans import encode_span
from otel_distro.record import Fixed, LogRecord
from tests.native.items import NATIVE, NATIVE_LINES, TRACERS

TIMES = 100_000
PAGE = 4096


def work() -> Callable[[], None]:
    """Encodes items of many kinds: usual, with kept attributes, left to the twin, failing."""
    span = TRACERS[0].start_span("name", attributes=Fixed({"key": "value", "n": 1}))
    child = TRACERS[0].start_span("child", attributes={"key": "é" * 200, "list": ["a", 1.5, None]})
    failed = TRACERS[1].start_span("failed", attributes={"key": {"odd": 1}})
    failed.add_event("event")
    for one in (span, child, failed):
        one.end()
    records = [
        LogRecord(1, 9, "INFO", "scope", "body", attributes=attributes, fields={"request_id": "r"}, trace_id=1)
        for attributes in ({"key": "value", "f": 1.5}, Fixed({"line": 1}), {"odd": {}}, {"level": 1}, None)
    ]
    broken = LogRecord(1, 9, "INFO", "scope", "body", attributes={"a": 1}, trace_id=2**200)

    def run() -> None:
        groups: dict[Any, bytearray] = {}
        records[1].attributes = Fixed({"line": 1})
        NATIVE.add_spans(groups, (span, child, failed), encode_span)
        NATIVE.add_logs(groups, records, encode_log)
        for record in records:
            NATIVE_LINES(record)
        try:
            NATIVE.add_logs(groups, [broken], encode_log)
        except OverflowError:
            return
        raise AssertionError

    return run


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGE


def test_a_hundred_thousand_encodings_leave_nothing() -> None:
    """Neither objects nor memory grow: not by one in ten runs, what others do in this process included."""
    run = work()
    for _ in range(1000):
        run()
    gc.collect()
    blocks, bytes_before = sys.getallocatedblocks(), resident()
    for _ in range(TIMES // 13):
        run()
    gc.collect()
    assert sys.getallocatedblocks() - blocks < TIMES // 13 // 10
    assert resident() - bytes_before < 4 << 20


def test_references_are_given_back() -> None:
    """What was looked at has as many references after as before."""
    scope, key, body, value = (f"{name} {id(object())}" for name in ("scope", "key", "body", "value"))
    record = LogRecord(1, 9, "INFO", scope, body, attributes={key: value}, fields={key: [value]}, event_name=value)
    other = LogRecord(1, 9, "INFO", value, body)
    watched = (record, scope, key, body, value, record.attributes, record.fields, Fixed, LogRecord, None)
    NATIVE_LINES(record)
    before = [sys.getrefcount(one) for one in watched]
    for _ in range(1000):
        NATIVE.add_logs({}, [record, other, record], encode_log)
        NATIVE_LINES(record)
    after = [sys.getrefcount(one) for one in watched]
    assert all(abs(now - then) < 20 for now, then in zip(after, before, strict=True))


def test_a_renderer_ends() -> None:
    """One that nobody has is gone, with all its names."""
    made = [NATIVE.Lines(len, b"", {"key": "name"}, frozenset()) for _ in range(1000)]
    blocks = sys.getallocatedblocks()
    del made
    assert blocks - sys.getallocatedblocks() >= 1000
