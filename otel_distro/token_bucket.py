"""A bound on how often something is done."""

from __future__ import annotations

from time import monotonic


class TokenBucket:
    """Allows so many a minute, and as many at once at most. Not locked: threads that share one may get one more."""

    __slots__ = ("_per_second", "_size", "_tokens", "_when")

    def __init__(self, per_minute: int) -> None:
        self._per_second = per_minute / 60
        self._size = float(per_minute)
        self._tokens = self._size
        self._when = monotonic()

    def take(self) -> bool:
        """Take one token, if there is one."""
        now = monotonic()
        self._tokens = min(self._size, self._tokens + (now - self._when) * self._per_second)
        self._when = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
