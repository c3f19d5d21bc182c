"""What processes that have ended left on disk, and this one sends: told by one line when it is through."""

from __future__ import annotations

import logging
from time import time

_logger = logging.getLogger("otel_distro")


class Inheritance:
    """One signal's; its user has a lock."""

    def __init__(self, signal: str) -> None:
        self._signal = signal
        self.reset()

    def reset(self) -> None:
        """Nothing was taken over yet; also in a forked child."""
        self._processes = self._batches = self._bytes = 0
        self._oldest = 0.0

    def taken(self) -> None:
        """One more process's folder was taken over."""
        self._processes += 1

    def sent(self, size: int, created: float) -> None:
        """One batch of theirs has left."""
        self._batches += 1
        self._bytes += size
        self._oldest = max(self._oldest, time() - created)

    def tell(self) -> None:
        """All of it, or as much as there was time for; not under the lock, as the app's handlers take their time."""
        found = (self._batches, self._signal, self._bytes, self._oldest, self._processes)
        self.reset()
        if found[0]:
            _logger.warning(
                "telemetry that ended processes had left on disk was sent: "
                "%s batches of %s, %s bytes, up to %.0f s old, of %s processes",
                *found,
            )
