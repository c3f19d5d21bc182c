"""When metrics are collected: once an interval to be exported, in between in case the process is killed."""

from __future__ import annotations

from time import monotonic, thread_time
from typing import TYPE_CHECKING

from otel_distro.guard import guard

if TYPE_CHECKING:
    from otel_distro.exporter.otlp import OtlpReader

CHECKPOINT_SECONDS = 5.0
"""What was counted since the last checkpoint is lost by SIGKILL."""

_SHARE = 200
"""One part in so many of a core, at the most, is for checkpoints: with thousands of series they come less often."""


class Collection:
    """The push reader's turns on the pipeline's thread."""

    def __init__(self, reader: OtlpReader | None, interval: float) -> None:
        self.reader = reader
        self._interval = interval
        self.begin()

    def begin(self) -> None:
        """From now on time counts."""
        self._due = monotonic() + self._interval
        self._checkpoint_due = monotonic() + CHECKPOINT_SECONDS

    def collect_if_due(self, now: float, *, everything: bool) -> None:
        """Export when the interval is over, or with `everything`; else a checkpoint when it is time for one."""
        if self.reader is None:
            return
        if everything or now >= self._due:
            self._due, self._checkpoint_due = now + self._interval, now + CHECKPOINT_SECONDS
            with guard("pipeline.collect"):
                self.reader.collect()
        elif now >= self._checkpoint_due:
            began = thread_time()
            with guard("pipeline.checkpoint"):
                self.reader.checkpoint()
            self._checkpoint_due = now + max(CHECKPOINT_SECONDS, _SHARE * (thread_time() - began))
