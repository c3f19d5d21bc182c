"""What the log is told of endpoints that do not take what they are sent: one line per change of state."""

from __future__ import annotations

import logging
from threading import Lock
from time import monotonic
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_distro.exporter.transport import Answer

_logger = logging.getLogger("otel_distro")
_QUIET_SECONDS = 60.0
"""An endpoint that fails now and then is complained of once in this time."""
_NOWHERE: Mapping[str, str] = MappingProxyType({})


class Outage:
    """Of all signals of a process: what fails for one reason is one line, also where it stops three signals.

    Told is when deliveries fail, when all work again, and when nothing waits on disk any more.
    """

    def __init__(self, endpoints: Mapping[str, str] = _NOWHERE) -> None:
        self._endpoints = endpoints
        self.reset()

    def reset(self) -> None:
        """All is well; also in a forked child, whose parent may have held the lock."""
        self._lock = Lock()
        self._lost: dict[str, str] = {}
        self._behind: set[str] = set()
        self._quiet_until: dict[str, float] = {}
        self._words_until: dict[str, float] = {}

    def failed(self, signal: str, reason: str, where: str) -> None:
        """An export failed; `where` its batch waits, when that is on disk."""
        same = reason.replace(f"/v1/{signal}", "").replace(f"OTLP_{signal.upper()}_ENDPOINT", "OTLP_ENDPOINT")
        with self._lock:
            if signal in self._lost or monotonic() < self._quiet_until.get(signal, 0.0):
                return
            self._quiet_until[signal] = monotonic() + _QUIET_SECONDS
            known = same in self._lost.values() or "" in self._lost.values()  # "": the end's line has told why
            self._lost[signal] = same
        if not known:
            waits = f" and waits in {where}" if where else ""
            _logger.warning("telemetry can't be delivered%s: %s; the application goes on", waits, reason)

    def delivered(self, signal: str, answer: Answer, *, behind: bool) -> None:
        """An export succeeded; `behind`: there is more on disk."""
        with self._lock:
            was_lost = self._lost.pop(signal, None) is not None
            again = was_lost and not self._lost
            was_behind = signal in self._behind
            if behind and was_lost:
                self._behind.add(signal)
            elif not behind:
                self._behind.discard(signal)
            follows, caught_up = bool(self._behind), was_behind and not self._behind and not self._lost
        if again:
            _logger.warning("telemetry is delivered again%s", ", what waits on disk follows" if follows else "")
        elif caught_up:
            _logger.warning("telemetry that waited on disk is delivered")
        self._tell_of_part(signal, answer)

    def _tell_of_part(self, signal: str, answer: Answer) -> None:
        """One line a minute when the receiver has words for what it took, or took only a part."""
        if (answer.reason or answer.lost) and monotonic() >= self._words_until.get(signal, 0.0):
            self._words_until[signal] = monotonic() + _QUIET_SECONDS
            what = "but not all of them" if answer.lost else "and the receiver says"
            _logger.warning("%s are delivered, %s: %s", signal, what, answer.reason)

    def ended(self, signal: str, left: int, where: str) -> None:
        """At the end so many batches were left; `where` they wait, when that is on disk."""
        with self._lock:
            known = bool(self._lost)
            if left:
                self._lost.setdefault(signal, "")  # what fails from now on needs no other line
        if left and not known:
            waits = f" and waits in {where}" if where else ""
            reason = f"{self._endpoints.get(signal, 'the endpoint')} does not answer"
            _logger.warning("telemetry can't be delivered before the end%s: %s", waits, reason)
