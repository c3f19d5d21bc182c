"""One item: a log line, a count, and its id on the span in hand; accounted for in the journal."""

from __future__ import annotations

import logging
import os

from opentelemetry import metrics, trace

from tests.reliability.app.journal import Journal
from tests.reliability.app.naming import COUNTER, ITEM, JOURNAL_VARIABLE

logging.basicConfig(level=logging.INFO)  # in each process, spawned ones as well
JOURNAL = Journal(os.environ[JOURNAL_VARIABLE])
_logger = logging.getLogger("reliability")
_counter = metrics.get_meter("reliability").create_counter(COUNTER)
_tracer = trace.get_tracer("reliability")


def observe(item: object) -> None:
    """Emit all three signals; the span is the one in hand."""
    trace.get_current_span().set_attribute(ITEM, str(item))
    _logger.info("item %s", item)
    _counter.add(1)


def produce(item: object) -> None:
    """An item with a span of its own."""
    with JOURNAL.item(item), _tracer.start_as_current_span("item"):
        observe(item)


def batch(count: int, name: object = "") -> None:
    """So many items of this process."""
    for number in range(count):
        produce(f"{name or os.getpid()}.{number}")
