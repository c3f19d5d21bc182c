"""The late keep: head-dropped local traces wait for their root's outcome, in a bounded budget (design decision 5)."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from opentelemetry.trace import StatusCode

from otel_distro.exporter.spans import span_size
from otel_distro.semconv.attributes import ERROR_TYPE
from otel_distro.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_distro.pipeline.local_trace import LocalTrace
    from otel_distro.pipeline.span import Span

_MAX_BUCKETS = 1000
_NOTHING: tuple[Span, ...] = ()


class Decider:
    """Holds the spans of undecided local traces; pipeline thread only."""

    def __init__(self, max_bytes: int, slow_ns: int, per_minute: int) -> None:
        self._max_bytes = max_bytes
        self._slow_ns = slow_ns
        self._per_minute = per_minute
        self.dropped: Counter[str] = Counter()
        """Spans not kept, by cause: `sampled`, `undecided_budget`, `keep_limit`."""
        self.reset()

    def reset(self) -> None:
        """Forget what waits, as a forked child must."""
        self._waiting: dict[LocalTrace, None] = {}
        self._buckets: OrderedDict[tuple[str, str], TokenBucket] = OrderedDict()
        self.bytes = 0
        self.dropped.clear()

    @property
    def use(self) -> float:
        """How full the budget of what waits is, from 0 to 1."""
        return self.bytes / max(1, self._max_bytes)

    def take(self, span: Span) -> Sequence[Span]:
        """An ended span of a head-dropped local trace: what is now to be exported, this one last."""
        local = span.local
        cause = "sampled"
        if local.verdict is None:
            if not span.is_root:
                self._hold(local, span)
                return _NOTHING
            cause = self._cause_to_drop(span)
            local.verdict = not cause
        waiting = local.waiting
        if waiting is not None:
            self._release(local)
        if local.verdict:
            return [span] if waiting is None else [*waiting, span]
        self.dropped[cause] += 1 if waiting is None else len(waiting) + 1
        return _NOTHING

    def _hold(self, local: LocalTrace, span: Span) -> None:
        size = span_size(span)
        if local.waiting is None:
            local.waiting, local.waiting_bytes = [span], size
            self._waiting[local] = None
        else:
            local.waiting.append(span)
            local.waiting_bytes += size
        self.bytes += size
        while self.bytes > self._max_bytes:
            oldest = next(iter(self._waiting))
            self.dropped["undecided_budget"] += len(oldest.waiting or ())
            self._release(oldest)

    def _release(self, local: LocalTrace) -> None:
        local.waiting = None
        self.bytes -= local.waiting_bytes
        self._waiting.pop(local, None)

    def _cause_to_drop(self, root: Span) -> str:
        """Empty when the root's outcome is a reason to keep (it failed, or was slow) and its token bucket allows it."""
        failed = root.has_more and root._status.status_code is StatusCode.ERROR  # noqa: SLF001 - the record's fields
        if not failed and (root._end_time or 0) - root._start_time < self._slow_ns:  # noqa: SLF001
            return "sampled"
        key = (root._name, str(root._attributes.get(ERROR_TYPE.key, "")))  # noqa: SLF001
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= _MAX_BUCKETS:
                self._buckets.popitem(last=False)
            bucket = self._buckets[key] = TokenBucket(self._per_minute)
        return "" if bucket.take() else "keep_limit"
