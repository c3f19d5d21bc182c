"""The tracer provider and its tracers: the SDK's classes from outside, a few appends inside."""

from __future__ import annotations

from random import getrandbits
from threading import Lock
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import trace as api
from opentelemetry.context import get_current, get_value
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation import _SPAN_KEY

from otel_distro.context.work import GRACE_NS
from otel_distro.pipeline.local_trace import LocalTrace, Mode
from otel_distro.pipeline.sampling import QUIET_CHOICE, Choice, by_default, classify, ratio_of
from otel_distro.pipeline.span import Span, new_span
from otel_distro.record import QUIET
from otel_distro.semconv import SPANS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link

OWN_SCOPES = frozenset(span.scope for span in SPANS)
"""Scopes whose spans are measured even when they are dropped."""

_EXPORT, _PRIVATE, _MEASURE, _QUIET = Mode.EXPORT, Mode.PRIVATE, Mode.MEASURE, Mode.QUIET
_RANDOM = 0x02
_SUPPRESSED = "suppress_instrumentation"
_SHUTDOWN_MILLIS = 10_000
_SAMPLED = int(TraceFlags.SAMPLED)


class Limits:
    """The SDK's span limits, unpacked for the hot path; `plain`: no value is cut, so exact scalars need no care."""

    __slots__ = (
        "attributes",
        "event_attributes",
        "events",
        "length",
        "link_attributes",
        "links",
        "plain",
        "value_length",
    )

    def __init__(self, limits: sdk.SpanLimits) -> None:
        self.attributes = 2**31 if limits.max_span_attributes is None else limits.max_span_attributes
        self.value_length = limits.max_span_attribute_length
        self.length = limits.max_attribute_length
        self.event_attributes = limits.max_event_attributes
        self.link_attributes = limits.max_link_attributes
        self.events = limits.max_events
        self.links = limits.max_links
        self.plain = self.value_length is None


class Tracer(sdk.Tracer):
    """See `opentelemetry.trace.Tracer`."""

    provider: TracerProvider
    limits: Limits
    scope: InstrumentationScope
    own: bool
    measured: bool
    """Whether the SDK's internal span metrics are on."""

    @classmethod
    def made_from(cls, tracer: sdk.Tracer, provider: TracerProvider) -> Tracer:
        """Our tracer with what the SDK's provider gave its own."""
        made = cls.__new__(cls)
        made.__dict__.update(tracer.__dict__)
        made.provider = provider
        made.limits = provider.limits
        made.scope = tracer._instrumentation_scope  # noqa: SLF001 - the SDK has no public name for it
        made.own = made.scope.name in OWN_SCOPES
        made.measured = type(tracer._tracer_metrics).__name__ == "TracerMetrics"  # noqa: SLF001
        return made

    def start_span(  # noqa: C901, PLR0912, PLR0913, PLR0915 - the API's signature; each call less counts here
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: FBT001, FBT002
        set_status_on_exception: bool = True,  # noqa: FBT001, FBT002
    ) -> api.Span:
        """Start a span under the one in the context, or a new local trace."""
        if not self._tracer_config.is_enabled:
            return NonRecordingSpan(api.get_current_span(context).get_span_context())
        provider, now = self.provider, time_ns() if start_time is None else start_time
        if context is None:
            context = get_current()  # the API's: its kind of context may be replaced while the process runs
        parent: Any = context.get(_SPAN_KEY)
        local: LocalTrace | None = parent.local if type(parent) is Span else None
        if local is not None and local.ended_ns and now - local.ended_ns > GRACE_NS:
            local = None
        if local is not None and provider.inherits:
            span = new_span(self, name, parent.trace_id, provider.span_id(), local, kind, now)
            span.flags = parent.flags
            span.parent_id = parent.span_id
            span._parent = parent._context  # noqa: SLF001 - the tracer builds its spans
            if parent.trace_state is not None or self.measured:
                self._put_below(span, parent)
        elif not context and provider.usual and not self.measured:
            span = new_span(self, name, provider.trace_id(), provider.span_id(), LocalTrace(_EXPORT), kind, now)
            span.is_root = True
            span.flags = provider.root_flags
            ratio = provider.ratio
            if ratio is not None:
                if not ratio.low <= span.trace_id & ratio.mask < ratio.high:
                    span.local.mode = _PRIVATE
                    span.flags = provider.root_flags & _RANDOM
                elif ratio.state is not None:
                    span.trace_state = ratio.state
                    span.has_more = True
        else:
            above = api.get_current_span(context).get_span_context()
            made = self._decided(above, local, (name, now), context, (kind, attributes, links))
            if not isinstance(made, tuple):
                return made
            span, attributes = made
        if attributes:
            span.start_attributes(attributes)
        if links:
            span.add_links(links)
        if provider.notified or not (record_exception and set_status_on_exception):
            span._record_exception = record_exception  # noqa: SLF001
            span._set_status_on_exception = set_status_on_exception  # noqa: SLF001
            if provider.notified and span.local.mode is _EXPORT:
                self.span_processor.on_start(span, parent_context=context)
        return span

    def _put_below(self, span: Span, parent: Span) -> None:
        if parent.trace_state is not None:
            span.trace_state = parent.trace_state
            span.has_more = True
        if self.measured:
            choice = Choice(span.local.mode, sampled=span.sampled)
            span.counted = self._count(parent._context, choice)  # noqa: SLF001

    def _decided(
        self,
        above: SpanContext | None,
        local: LocalTrace | None,
        started: tuple[str, int],
        context: Context | None,
        given: tuple[SpanKind, Mapping[str, Any] | None, Sequence[Link] | None],
    ) -> api.Span | tuple[Span, Mapping[str, Any] | None]:
        """A span whose sampling must be decided (a local root's, or any under a custom sampler), and its attributes."""
        if local is None and get_value(_SUPPRESSED, context):  # an excluded request's spans would be orphans
            return NonRecordingSpan(above or INVALID_SPAN_CONTEXT)
        provider, (name, now) = self.provider, started
        above, trace_id, random = self._above(above)
        quiet = local.mode is _QUIET if local is not None else bool(get_value(QUIET, context))
        choice = QUIET_CHOICE if quiet else provider.choose(above, context, trace_id, name, *given)
        if choice.mode is _MEASURE and local is None and not self.own:
            return self._not_recorded(above, trace_id, choice, random=random)
        root = local is None
        if local is None or (local.mode is not choice.mode and local.mode is not _QUIET):
            # under a parent here nobody decides late: only a local root's outcome does
            local = LocalTrace(choice.mode if root or choice.mode is not _PRIVATE else _MEASURE)
        span = new_span(self, name, trace_id, provider.span_id(), local, given[0], now)
        span.is_root = root
        span.flags = (_SAMPLED if choice.sampled else 0) | (_RANDOM if random else 0)
        if choice.trace_state:
            span.trace_state = choice.trace_state
            span.has_more = True
        if above is not None:
            span.parent_id = above.span_id
            span._parent = above  # noqa: SLF001
        if self.measured:
            span.counted = self._count(above, choice)
        return span, given[1] if choice.attributes is None else choice.attributes

    def _above(self, above: SpanContext | None) -> tuple[SpanContext | None, int, bool]:
        """The parent, if it is one; the trace id, and whether it is random."""
        if above is not None and not isinstance(above, SpanContext):
            message = "parent_span_context must be a SpanContext or None."
            raise TypeError(message)
        if above is None or not above.is_valid:
            return None, self.provider.trace_id(), self.provider.random_ids
        return above, above.trace_id, bool(above.trace_flags & _RANDOM)

    def _not_recorded(self, above: SpanContext | None, trace_id: int, choice: Choice, *, random: bool) -> api.Span:
        if self.measured:
            self._count(above, choice)
        flags = TraceFlags(_RANDOM if random else 0)
        return NonRecordingSpan(
            SpanContext(
                trace_id,
                self.provider.span_id(),
                is_remote=False,
                trace_flags=flags,
                trace_state=choice.trace_state,
            )
        )

    def _count(self, above: SpanContext | None, choice: Choice) -> Callable[[], None]:
        """The SDK's internal span metrics: count the start, return what counts the end."""
        recorded = Decision.RECORD_AND_SAMPLE if choice.sampled else Decision.RECORD_ONLY
        decision = recorded if choice.mode is _EXPORT else Decision.DROP
        counted: Callable[[], None] = self._tracer_metrics.start_span(above, decision)
        return counted

    def end(self, span: Span, end_time: int) -> None:
        """Called by a span, once, at its end, when somebody besides the pipeline is to be told."""
        provider = self.provider
        tell = provider.notified and span.local.mode is _EXPORT
        if tell:
            self.span_processor._on_ending(span)  # noqa: SLF001 - the SDK's own hook
        span._end_time = end_time  # noqa: SLF001
        if span.counted is not None:
            span.counted()
        if span.is_root:
            span.local.ended_ns = end_time
        if tell:
            self.span_processor.on_end(span)
        provider.take(span)


class TracerProvider(sdk.TracerProvider):
    """See `opentelemetry.sdk.trace.TracerProvider`; ended spans go to `take`, span processors are told besides."""

    def __init__(
        self,
        *args: Any,
        take: Callable[[Span], None] | None = None,
        flush: Callable[[int], bool] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.take = take or _nowhere
        self._flush = flush or self.flush_processors
        self.limits = Limits(self._span_limits)
        self.notified = False
        self.choose, self.inherits = classify(self.sampler)
        generator = self.id_generator
        plain = type(generator) is RandomIdGenerator
        self.span_id: Callable[[], int] = _span_id if plain else generator.generate_span_id
        self.trace_id: Callable[[], int] = _trace_id if plain else generator.generate_trace_id
        self.random_ids = bool(getattr(generator, "is_trace_id_random", bool)())
        self.ratio = ratio_of(self.sampler)
        self.usual = self.choose is by_default or self.ratio is not None
        """Whether a root that comes with nothing in its context is sampled, or as `ratio` says, without asking."""
        self.root_flags = _SAMPLED | (_RANDOM if self.random_ids else 0)

    def _handle_fork(self) -> None:
        """Renew the lock; a pipeline gives the child its resource (the SDK's handler: a random instance id, too)."""
        if self.take is _nowhere:
            super()._handle_fork()
        else:
            self._tracers_lock = Lock()

    def get_tracer(self, *args: Any, **kwargs: Any) -> api.Tracer:
        """The tracer of an instrumentation scope; one object per scope."""
        made = super().get_tracer(*args, **kwargs)
        if type(made) is not sdk.Tracer:
            return made
        ours = Tracer.made_from(made, self)
        with self._tracers_lock:
            known = self._tracers.get(ours.scope)
            if type(known) is Tracer:
                return known
            self._tracers[ours.scope] = ours
        return ours

    def add_span_processor(self, span_processor: sdk.SpanProcessor) -> None:
        """Tell a processor of each sampled span, synchronously (its cost is paid only when one is present)."""
        super().add_span_processor(span_processor)
        self.notified = True

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the pipeline, span processors included."""
        return self._flush(timeout_millis)

    def flush_processors(self, timeout_millis: int) -> bool:
        """Flush the span processors alone."""
        return super().force_flush(timeout_millis)

    def shutdown(self) -> None:
        """Flush the pipeline, which has its own end, and shut down the span processors."""
        self._flush(_SHUTDOWN_MILLIS)
        super().shutdown()


def _nowhere(span: Span) -> None:
    """Where spans go of a provider without a pipeline: to its processors only."""


def _span_id() -> int:
    return getrandbits(64) or 1


def _trace_id() -> int:
    return getrandbits(128) or 1
