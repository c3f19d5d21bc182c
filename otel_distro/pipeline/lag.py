"""The pipeline's lag: how long a record may have waited until the thread came to it."""

from __future__ import annotations

from time import monotonic

_MINUTE = 60.0


class Lag:
    """The longest of this minute and of the one before, so that no reader takes it away from another."""

    def __init__(self) -> None:
        self._longest = self._before = 0.0
        self._since = self._came = monotonic()
        self._works = False

    def begin(self) -> float:
        """The thread begins to come round; returns the time (`monotonic`)."""
        self._works = True
        self._came = monotonic()
        return self._came

    def note(self, seconds: float) -> None:
        """The thread has been through, and what it found had waited no longer than this."""
        now = self.begin()
        if now - self._since >= _MINUTE:
            self._since, self._before, self._longest = now, self._longest, 0.0
        self._longest = max(self._longest, seconds)

    @property
    def seconds(self) -> float:
        """As it is now: a thread that does not come back counts, too."""
        absent = monotonic() - self._came if self._works else 0.0
        return max(self._longest, self._before, absent)
