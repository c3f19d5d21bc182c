"""The pace of work in the background: after each short slice the application gets the interpreter."""

from __future__ import annotations

from time import perf_counter_ns, sleep

_SLICE_NS = 500_000
_HURRIED_SLICE_NS = 5_000_000
_PAUSE = 0.0002


class Pace:
    """Called between pieces of work, it rests when the slice is over; slices are at most half a millisecond.

    Hurried, as somebody waits for a flush, they are as long as the interpreter lets a thread run anyway.
    """

    __slots__ = ("_pause", "_slice_ns", "_until", "hurried")

    def __init__(self) -> None:
        self.begin(hurried=False)

    def begin(self, *, hurried: bool) -> None:
        """The first slice begins."""
        self.hurried = hurried
        self._slice_ns = _HURRIED_SLICE_NS if hurried else _SLICE_NS
        self._pause = 0.0 if hurried else _PAUSE
        self._until = perf_counter_ns() + self._slice_ns

    @property
    def over(self) -> bool:
        """Whether the slice is used up."""
        return perf_counter_ns() >= self._until

    def rest(self) -> None:
        """Let others run; then the next slice begins."""
        sleep(self._pause)
        self._until = perf_counter_ns() + self._slice_ns

    def __call__(self) -> None:
        """Rest, if it is time to."""
        if perf_counter_ns() >= self._until:
            self.rest()
