"""The standard limits of log records' attributes."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_distro import config
from otel_distro.logs.limit import limiter
from otel_distro.record import LogRecord
from tests.logs.instrumented import run

COUNT, LENGTH = "ATTRIBUTE_COUNT_LIMIT", "ATTRIBUTE_VALUE_LENGTH_LIMIT"


@pytest.mark.parametrize("prefix", ["OTEL_", "OTEL_LOGRECORD_"])
def test_what_is_exported_keeps_to_the_limits(prefix: str, tmp_path: Path) -> None:
    """At most so many attributes, none longer than so many characters; the console line is whole."""
    done = run(
        """
        import logging
        logging.basicConfig(level=logging.INFO)
        logging.info("long", extra={"a": "x" * 100, "b": "y", "c": "z"})
        """,
        tmp_path,
        **{f"{prefix}{COUNT}": "4", f"{prefix}{LENGTH}": "5"},
    )
    (record,), (line,) = done.sent("long"), done.printed("long")
    assert len(record.attributes) == 4
    assert record.attributes["a"] == "xxxxx"
    assert (line["a"], line["c"]) == ("x" * 100, "z")


def test_a_limit_of_log_records_wins_over_the_general_one() -> None:
    """Texts in lists are cut, too; fields of the work in hand and the record given are left alone."""
    limit = limiter(config.load({f"OTEL_{LENGTH}": "9", f"OTEL_LOGRECORD_{LENGTH}": "2"}))
    assert limit is not None
    given = LogRecord(
        0, 9, "INFO", "shop", "sold", attributes={"a": ("long", 7), "n": 1}, fields={"request_id": "r-123"}
    )
    made = limit(given)
    assert made.attributes == {"a": ("lo", 7), "n": 1}
    assert made.fields == given.fields
    assert given.attributes == {"a": ("long", 7), "n": 1}


def test_without_limits_nothing_is_done() -> None:
    """No limit set: no work."""
    assert limiter(config.load({})) is None
