"""What the SDK's span has besides: its provider's and its tracer's, read when somebody asks; no span keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.util import BoundedList

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationInfo, InstrumentationScope

    from otel_distro.pipeline.tracer import Tracer


class _Of:
    """An attribute by a function of the span's tracer; like the SDK's it may be overwritten (so no property)."""

    def __init__(self, read: Callable[[Tracer], Any]) -> None:
        self._read = read

    def __get__(self, span: Readable | None, kind: type[Readable]) -> Any:
        return self if span is None else self._read(span.tracer)


class Readable(sdk.Span):
    """A span as processors and exporters written for the SDK's read it, the private names they use included."""

    __slots__ = ()
    tracer: Tracer
    _resource = _Of(lambda tracer: tracer.resource)
    _instrumentation_scope = _Of(lambda tracer: tracer.scope)
    _instrumentation_info = _Of(lambda tracer: tracer.instrumentation_info)
    _limits = _Of(lambda tracer: tracer._span_limits)  # noqa: SLF001 - the SDK has no public name for it
    _sampler = _Of(lambda tracer: tracer.sampler)
    _span_processor = _Of(lambda tracer: tracer.span_processor)
    _trace_config = None

    @property
    def resource(self) -> Resource:
        """The resource of the provider."""
        return self.tracer.resource

    @property
    def instrumentation_scope(self) -> InstrumentationScope:
        """The scope of the tracer."""
        return self.tracer.scope

    @property
    def instrumentation_info(self) -> InstrumentationInfo:
        """The scope of the tracer, in its old form."""
        return self.tracer.instrumentation_info

    @property
    def duration_ns(self) -> int:
        """How long the span lasted, in nanoseconds; 0 until it ended."""
        return 0 if self._end_time is None else self._end_time - (self._start_time or 0)

    def _readable_span(self) -> sdk.ReadableSpan:
        """The span as it is now, apart from itself; what is set later does not reach it."""
        attributes = BoundedAttributes(attributes=dict(self.attributes or {}))
        attributes.dropped = self.dropped_attributes
        return sdk.ReadableSpan(
            name=self._name,
            context=self._context,
            parent=self._parent,
            resource=self._resource,
            attributes=attributes,
            events=_listed(self.events, self.dropped_events),
            links=_listed(self.links, self.dropped_links),
            kind=self._kind,
            status=self._status,
            start_time=self._start_time,
            end_time=self._end_time,
            instrumentation_info=self._instrumentation_info,
            instrumentation_scope=self._instrumentation_scope,
        )


def _listed(items: Sequence[Any], dropped: int) -> Sequence[Any]:
    made = BoundedList.from_seq(None, items)
    made.dropped = dropped
    return made
