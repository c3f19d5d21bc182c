"""What is to be said of an error: its fingerprint and group, and whether its stack is worth sending once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from opentelemetry.trace import get_current_span

from otel_distro import config
from otel_distro.errors.exception import exception_type
from otel_distro.errors.fingerprint import Fingerprint, Fingerprints
from otel_distro.errors.grouping import Grouping, matches, offered
from otel_distro.errors.in_app import InApp
from otel_distro.record import HANDOVER, Measurement
from otel_distro.semconv.errors import ERRORS, FINGERPRINT, FRAMES, HANDLED, OTHER, SUPPRESSED, TITLE
from otel_distro.token_bucket import TokenBucket

if TYPE_CHECKING:
    from otel_distro.config import Settings
    from otel_distro.record import Value

_MAX_LABELS = 100
"""Fingerprints of a process that the metric tells apart."""
_MAX_KNOWN = 1000


class Judged(NamedTuple):
    """`attributes` for the record; `whole`: with stack, else the same error has just been told often enough."""

    attributes: dict[str, Value]
    whole: bool = True
    expected: bool = False
    """The app's settings say that this is no defect."""


class Judge:
    """Judges each error once, where it is first recorded, and counts it; one for each process."""

    def __init__(self, settings: Settings) -> None:
        self._fingerprints = Fingerprints(InApp(settings.error_in_app))
        self._grouping = Grouping(settings.error_groups, offered())
        self._expected = settings.expected_errors
        self._per_minute = settings.errors_per_minute
        self._buckets: dict[str, TokenBucket] = {}
        self._suppressed: dict[str, int] = {}
        self._labels: set[str] = set()

    def judge(self, error: BaseException, *, handled: bool) -> Judged:
        """Fingerprint, count and throttle; `handled`: the app itself has caught it."""
        if self._expected and matches(error, self._expected):
            return Judged({}, whole=False, expected=True)
        found = self._fingerprints.of(error)
        if self._grouping:
            group = self._grouping.of(error, found.frames)
            found = self._fingerprints.of(error, group) if group else found
        self._count(error, found, handled=handled)
        whole = self._bucket(found.id).take()
        if not whole:
            self._suppressed[found.id] = self._suppressed.get(found.id, 0) + 1
        return Judged(self._attributes(found, handled=handled, whole=whole), whole)

    def _attributes(self, found: Fingerprint, *, handled: bool, whole: bool) -> dict[str, Value]:
        attributes: dict[str, Value] = {FINGERPRINT.key: found.id, TITLE.key: found.title, HANDLED.key: handled}
        if whole:
            if found.frames:
                attributes[FRAMES.key] = found.frames
            suppressed = self._suppressed.pop(found.id, 0)
            if suppressed:
                attributes[SUPPRESSED.key] = suppressed
        return attributes

    def _bucket(self, fingerprint: str) -> TokenBucket:
        bucket = self._buckets.get(fingerprint)
        if bucket is None:
            if len(self._buckets) >= _MAX_KNOWN:
                self._buckets.clear()
                self._suppressed.clear()
            bucket = self._buckets[fingerprint] = TokenBucket(self._per_minute)
        return bucket

    def _count(self, error: BaseException, found: Fingerprint, *, handled: bool) -> None:
        label = found.id
        if label not in self._labels:
            if len(self._labels) < _MAX_LABELS:
                self._labels.add(label)
            else:
                label = OTHER
        where = get_current_span().get_span_context()
        HANDOVER.sink.measure(
            Measurement(ERRORS, 1, (exception_type(error), label, handled), where.trace_id, where.span_id)
        )


class _Process:
    """The judge of this process: made at its first error, and again where the settings are others."""

    __slots__ = ("judge", "settings")

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.judge: Judge


_process = _Process()


def judge(error: BaseException, *, handled: bool) -> Judged:
    """What this process, by its settings, says of an error."""
    settings = config.current()
    if _process.settings is not settings:
        _process.judge, _process.settings = Judge(settings), settings
    return _process.judge.judge(error, handled=handled)


def forget() -> None:
    """Begin anew, as a forked child must: what its parent has suppressed, the parent tells."""
    _process.settings = None
