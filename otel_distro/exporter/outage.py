"""What the log is told of an endpoint that does not take what it is sent: one line per change of state."""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_distro.exporter.transport import Answer

_logger = logging.getLogger("otel_distro")
_QUIET_SECONDS = 60.0
"""An endpoint that fails now and then is complained of once in this time."""


class Outage:
    """Of one signal: told when deliveries fail, when they work again, when nothing waits on disk any more."""

    def __init__(self, signal: str) -> None:
        self._signal = signal
        self.reset()

    def reset(self) -> None:
        """All is well."""
        self._lost = False
        self._behind = False
        self._quiet_until = 0.0
        self._words_until = 0.0

    def failed(self, reason: str, where: str) -> None:
        """An export failed; `where` its batch waits, when that is on disk."""
        if self._lost or monotonic() < self._quiet_until:
            return
        self._lost = True
        self._quiet_until = monotonic() + _QUIET_SECONDS
        waits = f" and wait in {where}" if where else ""
        _logger.warning("%s can't be delivered%s: %s; the application goes on", self._signal, waits, reason)

    def delivered(self, answer: Answer, *, behind: bool) -> None:
        """An export succeeded; `behind`: there is more on disk."""
        if self._lost:
            _logger.warning("%s are delivered again%s", self._signal, ", what waits on disk follows" if behind else "")
        elif self._behind and not behind:
            _logger.warning("%s that waited on disk are delivered", self._signal)
        self._behind = behind and (self._behind or self._lost)
        self._lost = False
        self._tell_of_part(answer)

    def _tell_of_part(self, answer: Answer) -> None:
        """One line a minute when the receiver has words for what it took, or took only a part."""
        if (answer.reason or answer.lost) and monotonic() >= self._words_until:
            self._words_until = monotonic() + _QUIET_SECONDS
            what = "but not all of them" if answer.lost else "and the receiver says"
            _logger.warning("%s are delivered, %s: %s", self._signal, what, answer.reason)

    def ended(self, left: int, lost: int, where: str) -> None:
        """At the end so many batches were left, and so many items of them found no place."""
        known, self._lost = self._lost, self._lost or left > 0  # what fails from now on needs no other line
        if lost:
            _logger.warning("%d items of %s could not be delivered before the end, and are lost", lost, self._signal)
        elif left and not known:
            _logger.warning("%s can't be delivered before the end and wait in %s", self._signal, where)
