"""A request that is too large for its receiver, as two: cut between items, which stay as they are encoded."""

from __future__ import annotations

from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from otel_distro.exporter.fields import fields
from otel_distro.exporter.transport import Answer, Result, lost
from otel_distro.exporter.wire import varint

if TYPE_CHECKING:
    from otel_distro.exporter.transport import Transport

_MAX_REFUSALS = 16
"""Too large answers for one batch: enough to find a giant among tens of thousands of items."""
_MAX_UNDER_WAY = 4
_LENGTH = 2
_SPANS_OR_RECORDS = ({1}, {2}, {2})
"""Where the items are: resource, scope, and in it spans or log records, each by its field's number."""
_POINTS = ({1}, {2}, {2}, {5, 7, 9, 10, 11}, {1})
"""Resource, scope, metric, its kind of data, and in it the points."""
_PATHS = {"traces": _SPANS_OR_RECORDS, "logs": _SPANS_OR_RECORDS, "metrics": _POINTS}


class Part(NamedTuple):
    """An export request, and how many spans, log records or points it carries."""

    payload: bytes
    items: int


def halves(payload: bytes, signal: str) -> tuple[Part, Part] | None:
    """The first and the second half of a request's items, each with resource, scope and metric; None: there is one.

    ValueError when the payload is no message.
    """
    path = _PATHS[signal]
    count = count_items(payload, signal)
    if count < 2:  # noqa: PLR2004 - a half needs one
        return None
    middle = count // 2
    return Part(_Cut(0, middle).of(payload, path), middle), Part(_Cut(middle, count).of(payload, path), count - middle)


def count_items(payload: bytes, signal: str) -> int:
    """How many spans, log records or points a request carries."""
    return _count(payload, _PATHS[signal])


def _count(message: bytes, path: tuple[set[int], ...]) -> int:
    inner = (one for one in fields(message) if one.number in path[0])
    if len(path) == 1:
        return sum(1 for _ in inner)
    return sum(_count(message[one.begin : one.end], path[1:]) for one in inner)


class _Cut:
    """Takes the items of a message from the first to the one before the last, and all that is not an item."""

    def __init__(self, first: int, last: int) -> None:
        self._wanted = range(first, last)
        self._seen = 0

    def of(self, message: bytes, path: tuple[set[int], ...]) -> bytes:
        """What is left of the message; what holds none of the wanted items is left out."""
        parts = []
        for one in fields(message):
            if one.number not in path[0]:
                parts.append(message[one.tag : one.end])
            elif len(path) == 1:
                if self._seen in self._wanted:
                    parts.append(message[one.tag : one.end])
                self._seen += 1
            else:
                before = self._kept()
                inner = self.of(message[one.begin : one.end], path[1:])
                if self._kept() > before:
                    parts += [varint(one.number << 3 | _LENGTH), varint(len(inner)), inner]
        return b"".join(parts)

    def _kept(self) -> int:
        """How many of the wanted items were seen so far."""
        return len(range(self._wanted.start, min(self._seen, self._wanted.stop)))


class SplittingTransport:
    """Sends what another transport finds too large in pieces, so that a batch is lost by no more than its giants.

    A batch of which some pieces arrived is remembered until the rest is settled: they are not sent again.
    """

    def __init__(self, transport: Transport, signal: str) -> None:
        self._transport = transport
        self._signal = signal
        self._under_way: dict[bytes, _Pieces] = {}

    def send(self, payload: bytes, timeout: float) -> Answer:
        """Send it whole, and if that is too large, by halves of halves, as far as the time allows."""
        deadline = monotonic() + timeout
        pieces = self._under_way.pop(payload, None) if self._under_way else None
        if pieces is None:
            answer = self._transport.send(payload, timeout)
            if answer.result is not Result.TOO_LARGE:
                return answer
            pieces = _Pieces(Part(payload, count_items(payload, self._signal)), self._signal, answer)
        while pieces.waiting:
            left = deadline - monotonic()
            part = pieces.waiting[-1]
            answer = self._transport.send(part.payload, left) if left > 0 else Answer(Result.RETRY, reason="timed out")
            if answer.result is Result.RETRY:
                self._remember(payload, pieces)
                return answer
            pieces.settle(answer)
        return pieces.outcome()

    def _remember(self, payload: bytes, pieces: _Pieces) -> None:
        if len(self._under_way) >= _MAX_UNDER_WAY:
            self._under_way.pop(next(iter(self._under_way)))
        self._under_way[payload] = pieces

    def reset(self) -> None:
        """In a forked child: what was under way is the parent's."""
        self._under_way.clear()
        self._transport.reset()

    def close(self) -> None:
        """Let go of the connection."""
        self._transport.close()


class _Pieces:
    """What is left to be sent of one batch, the next piece last, and what was lost of it."""

    def __init__(self, whole: Part, signal: str, answer: Answer) -> None:
        self.waiting: list[Part] = [whole]
        self._items = whole.items
        self._signal = signal
        self._refusals = 0
        self._lost: Counter[str] = Counter()
        self._reason = ""
        self.settle(answer)

    def settle(self, answer: Answer) -> None:
        """The next piece is answered, and not by RETRY."""
        part = self.waiting.pop()
        self._reason = self._reason or answer.reason
        if answer.result is Result.TOO_LARGE:
            self._refusals += 1
            parts = halves(part.payload, self._signal) if self._refusals <= _MAX_REFUSALS else None
            if parts is None:
                self._lost["too_large"] += part.items
            else:
                self.waiting += reversed(parts)
            return
        self._lost.update(lost(answer, part.items))

    def outcome(self) -> Answer:
        """When all is settled: a failure when nothing arrived."""
        arrived = sum(self._lost.values()) < self._items
        reason = self._reason if self._lost else ""
        return Answer(Result.SUCCESS if arrived else Result.FAILURE, reason=reason, lost=dict(self._lost))
