"""Sampling: what a sampler's decision means for a local trace, and our own consistent ratio sampler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    StaticSampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import TraceFlags, TraceState, get_current_span

from otel_distro.pipeline.local_trace import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanContext, SpanKind


class Choice(NamedTuple):
    """A sampler's decision as the tracer uses it; `attributes` None: as the caller gave them."""

    mode: Mode
    sampled: bool
    attributes: Mapping[str, Any] | None = None
    trace_state: TraceState | None = None


QUIET_CHOICE = Choice(Mode.QUIET, sampled=False)
"""For a request named quiet: no sampler is asked."""
_SAMPLED_CHOICE = Choice(Mode.EXPORT, sampled=True)


def by_default(above: SpanContext | None, *_: object) -> Choice:
    """The default sampler, parentbased_always_on, without its objects: as the parent decided, else sampled."""
    if above is None or (above.trace_flags & TraceFlags.SAMPLED and not above.trace_state):
        return _SAMPLED_CHOICE
    sampled = bool(above.trace_flags & TraceFlags.SAMPLED)
    return Choice(Mode.EXPORT if sampled else Mode.MEASURE, sampled, None, above.trace_state)


def classify(sampler: Sampler) -> tuple[Callable[..., Choice], bool]:
    """How to ask this sampler, and whether a child always decides as its local parent did."""
    root = getattr(sampler, "_root", None) if isinstance(sampler, ParentBased) else sampler
    ratio = isinstance(root, (TraceIdRatioBased, ConsistentRatio))
    usual = isinstance(sampler, ParentBased) and _delegates(sampler) == (ALWAYS_ON, ALWAYS_OFF)
    inherits = usual or _always_on(sampler)
    dropped = Mode.PRIVATE if ratio else Mode.MEASURE
    if type(sampler) is ParentBased and root is ALWAYS_ON and usual and _remote(sampler) == (ALWAYS_ON, ALWAYS_OFF):
        return by_default, True

    def choose(  # noqa: PLR0913 - the sampler's arguments and the parent
        above: SpanContext | None,  # noqa: ARG001 - samplers find it in the context
        context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
        links: Sequence[Link] | None,
    ) -> Choice:
        result = sampler.should_sample(context, trace_id, name, kind, attributes, links or ())
        decision = result.decision
        mode = dropped if decision is Decision.DROP else Mode.EXPORT
        given = result.attributes if mode == Mode.EXPORT else None  # a DROP has none, metrics need the caller's
        return Choice(mode, decision is Decision.RECORD_AND_SAMPLE, given, result.trace_state)

    return choose, inherits


class Ratio(NamedTuple):
    """A built-in ratio as a tracer decides by it: a trace that begins here is kept when its id is in the range."""

    mask: int
    low: int
    high: int
    state: TraceState | None
    """The tracestate of what is kept."""

    def keeps(self, trace_id: int) -> bool:
        """Whether it keeps this trace (`Tracer.start_span` has the same in place)."""
        return self.low <= trace_id & self.mask < self.high


def ratio_of(sampler: Sampler) -> Ratio | None:
    """The built-in ratio that decides on roots; None for any other sampler."""
    root = getattr(sampler, "_root", None) if type(sampler) is ParentBased else sampler
    if type(root) is TraceIdRatioBased:
        return Ratio(TraceIdRatioBased.TRACE_ID_LIMIT, 0, root.bound, None)
    if type(root) is ConsistentRatio:
        return Ratio(_MASK, root.threshold, _MAX, root.state())
    return None


def _always_on(sampler: Sampler) -> bool:
    return (
        isinstance(sampler, StaticSampler) and sampler.should_sample(None, 1, "").decision is Decision.RECORD_AND_SAMPLE
    )


def _delegates(sampler: ParentBased) -> tuple[Any, Any]:
    return sampler._local_parent_sampled, sampler._local_parent_not_sampled  # noqa: SLF001 - the SDK has no accessor


def _remote(sampler: ParentBased) -> tuple[Any, Any]:
    return sampler._remote_parent_sampled, sampler._remote_parent_not_sampled  # noqa: SLF001


_MAX = 1 << 56
_MASK = _MAX - 1
_DIGITS = 14


class ConsistentRatio(Sampler):
    """Keeps the ratio of traces whose 56 random bits reach a threshold, and says so in tracestate (`ot=th:...`)."""

    def __init__(self, ratio: float) -> None:
        if not 0.0 <= ratio <= 1.0:
            message = "OTEL_TRACES_SAMPLER_ARG: the ratio must be from 0 to 1"
            raise ValueError(message)
        self.ratio = ratio
        self.threshold = _MAX - round(ratio * _MAX)
        self._th = f"{self.threshold:0{_DIGITS}x}".rstrip("0") or "0"

    def should_sample(  # noqa: PLR0913 - the SDK's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,  # noqa: ARG002
        kind: SpanKind | None = None,  # noqa: ARG002
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,  # noqa: ARG002
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide by the trace id alone, so that all services decide alike."""
        above = trace_state or get_current_span(parent_context).get_span_context().trace_state
        if trace_id & _MASK < self.threshold:
            return SamplingResult(Decision.DROP, None, above)
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, self.state(above))

    def state(self, above: TraceState | None = None) -> TraceState:
        """The tracestate of a trace that is kept, by the one it came with."""
        state = above or TraceState()
        return state.update("ot", f"th:{self._th}") if "ot" in state else state.add("ot", f"th:{self._th}")

    def get_description(self) -> str:
        """Name and ratio."""
        return f"ConsistentRatio{{{self.ratio}}}"


def otel_distro_ratio(argument: str) -> Sampler:
    """Factory of the entry point `otel_distro_ratio`: the consistent ratio, parent-based; `argument` is the ratio."""
    return ParentBased(ConsistentRatio(float(argument or 1)))
