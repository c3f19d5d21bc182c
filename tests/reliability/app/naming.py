"""Names that the application and those who count share."""

from __future__ import annotations

ITEM = "reliability.item"
"""The attribute of a span that holds its item's id."""
COUNTER = "reliability.items"
COUNTER_IN_PROMETHEUS = "reliability_items_total"
JOURNAL_VARIABLE = "RELIABILITY_JOURNAL"
BROKER_VARIABLE = "RELIABILITY_BROKER"
QUEUE_VARIABLE = "RELIABILITY_QUEUE"
