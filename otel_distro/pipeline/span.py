"""The span: obeys the OpenTelemetry API while it lives, and is its own record once it ended."""

from __future__ import annotations

import logging
from time import time_ns
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.trace.span import DEFAULT_TRACE_STATE
from opentelemetry.trace.status import Status, StatusCode

from otel_distro.errors.record import exception_attributes
from otel_distro.pipeline.clean import SCALARS, clean
from otel_distro.pipeline.local_trace import Mode
from otel_distro.pipeline.readable import Readable
from otel_distro.record import Exact, Fixed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otel_distro.pipeline.local_trace import LocalTrace
    from otel_distro.pipeline.tracer import Tracer

_logger = logging.getLogger("opentelemetry.sdk.trace")
_PRIVATE = Mode.PRIVATE
_MAX_TRACE_ID, _MAX_SPAN_ID = 2**128 - 1, 2**64 - 1
_bare: Callable[[type[Span]], Span] = object.__new__
UNSET = Status(StatusCode.UNSET)
_FLAGS = tuple(TraceFlags(bits) for bits in range(256))
_NO_EVENTS: BoundedList[sdk.Event] = BoundedList(0)
_NO_LINKS: BoundedList[Link] = BoundedList(0)


class Span(Readable):
    """See `opentelemetry.trace.Span`. One owner at a time: no locks, lists made on first use, nothing cleaned twice."""

    _record_exception = True
    _set_status_on_exception = True
    # What few spans have is no slot: a span that has it keeps it in its `__dict__`.
    _status = UNSET
    _events: BoundedList[sdk.Event] = _NO_EVENTS
    _links: BoundedList[Link] = _NO_LINKS
    _dropped = 0
    trace_state: TraceState | None = None
    counted: Callable[[], None] | None = None
    """What to call at the end for the SDK's internal span metrics."""
    tracer: Tracer
    trace_id: int
    span_id: int
    local: LocalTrace
    parent_id: int
    flags: int
    is_root: bool
    """Whether nothing above it is in this process."""
    _name: str
    _attributes: dict[str, Any]
    _ctx: SpanContext | None
    _parent: SpanContext | None
    _kind: SpanKind
    _start_time: int
    _end_time: int | None
    has_more = False
    """Whether it has any of status, events, links, dropped attributes, trace state."""
    __slots__ = (
        "_attributes",
        "_ctx",
        "_end_time",
        "_kind",
        "_name",
        "_parent",
        "_start_time",
        "flags",
        "is_root",
        "local",
        "parent_id",
        "span_id",
        "trace_id",
        "tracer",
    )

    @property
    def _context(self) -> SpanContext:  # type: ignore[override]  # made when somebody asks
        context = self._ctx
        if context is None:
            valid = 0 < self.trace_id <= _MAX_TRACE_ID and 0 < self.span_id <= _MAX_SPAN_ID
            state = self.trace_state or DEFAULT_TRACE_STATE
            # what the constructor makes, without its checks: a tenth of a root span's cost
            context = self._ctx = tuple.__new__(
                SpanContext, (self.trace_id, self.span_id, False, _FLAGS[self.flags], state, valid)
            )
        return context

    def get_span_context(self) -> SpanContext:
        """The span's identity, as propagated."""
        return self._context

    @property
    def context(self) -> SpanContext:
        """The span's identity, as propagated."""
        return self._context

    def is_recording(self) -> bool:
        """Whether what is set on the span may still be seen by somebody."""
        return self._end_time is None and self.local.mode <= _PRIVATE

    # -- attributes

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute; a value that is no exact scalar is copied or rendered now."""
        if self._end_time is not None:
            _logger.warning("Setting attribute on ended span.")
            return
        limits = self.tracer.limits
        attributes = self._attributes
        if attributes.__class__ is Fixed:
            attributes = self._attributes = dict(attributes)
        if (
            limits.plain
            and type(value) in SCALARS
            and key.__class__ is str
            and key
            and len(attributes) < limits.attributes
        ):
            attributes[key] = value
        else:
            self._set_with_care(key, value)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        limits, mine = self.tracer.limits, self._attributes
        if (
            attributes.__class__ is Exact
            and limits.plain
            and len(mine) + len(attributes) <= limits.attributes
            and mine.__class__ is not Fixed
            and self._end_time is None
        ):
            mine.update(attributes)
            return
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def mark(self, key: str) -> None:
        """Set a flag of the pipeline's own after the end."""
        self._attributes = {**self._attributes, key: True}

    def start_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Take the attributes given at the start: as they are, or after one check for all when they are plain."""
        limits = self.tracer.limits
        if limits.plain and len(attributes) <= limits.attributes:
            if isinstance(attributes, Exact):
                self._attributes = attributes
                return
            for key, value in attributes.items():
                if type(value) not in SCALARS or key.__class__ is not str or not key:
                    break
            else:
                self._attributes = dict(attributes)
                return
        for key, value in attributes.items():
            self._set_with_care(key, value)

    def _set_with_care(self, key: Any, value: Any) -> None:
        limits = self.tracer.limits
        if not key or not isinstance(key, str):
            _logger.warning("invalid key `%s`. must be non-empty string. Dropping key from attributes.", key)
            self._drop_attribute()
            return
        attributes = self._attributes
        if attributes.__class__ is Fixed:
            attributes = self._attributes = dict(attributes)
        if limits.attributes == 0:
            self._drop_attribute()
            return
        value = clean(value, limits.value_length)
        attributes.pop(key, None)
        if len(attributes) >= limits.attributes:
            del attributes[next(iter(attributes))]
            self._drop_attribute()
        attributes[key] = value

    def _drop_attribute(self) -> None:
        self._dropped += 1
        self.has_more = True

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What is set, read-only."""
        return MappingProxyType(self._attributes)

    @property
    def dropped_attributes(self) -> int:
        """How many attributes the limit cost."""
        return self._dropped

    # -- events and links

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        """Add an event; its attributes are copied now."""
        limits = self.tracer.limits
        cleaned = BoundedAttributes(
            limits.event_attributes, _copied(attributes), max_value_len=limits.length, immutable=True
        )
        self._add_event(sdk.Event(name=name, attributes=cleaned, timestamp=timestamp))

    def _add_event(self, event: sdk.Event) -> None:
        if self._end_time is not None:
            _logger.warning("Tried calling %s on an ended span.", "_add_event")
            return
        if self._events is _NO_EVENTS:
            self.has_more = True
            self._events = BoundedList(self.tracer.limits.events)
        self._events.append(event)

    @property
    def events(self) -> Sequence[sdk.Event]:
        """The events, oldest first."""
        return tuple(self._events)

    @property
    def dropped_events(self) -> int:
        """How many events the limit cost."""
        return self._events.dropped

    def add_links(self, links: Sequence[Link]) -> None:
        """Called by the tracer: the links given at the start."""
        for link in links:
            self.add_link(link.context, link.attributes)

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Add a link; an invalid one without attributes or trace state is ignored."""
        if not (context.is_valid or attributes or context.trace_state):
            return
        limits = self.tracer.limits
        cleaned = BoundedAttributes(
            limits.link_attributes, _copied(attributes), max_value_len=limits.length, immutable=True
        )
        self._add_link(Link(context, cleaned))

    def _add_link(self, link: Link) -> None:
        if self._end_time is not None:
            _logger.warning("Tried calling %s on an ended span.", "_add_link")
            return
        if self._links is _NO_LINKS:
            self.has_more = True
            self._links = BoundedList(self.tracer.limits.links)
        self._links.append(link)

    @property
    def links(self) -> Sequence[Link]:
        """The links, oldest first."""
        return tuple(self._links)

    @property
    def dropped_links(self) -> int:
        """How many links the limit cost."""
        return self._links.dropped

    # -- name, status, exceptions

    def update_name(self, name: str) -> None:
        """Change the name; the sampler's decision stays."""
        if self._end_time is not None:
            _logger.warning("Tried calling %s on an ended span.", "update_name")
            return
        self._name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status; UNSET never replaces another, nothing replaces OK."""
        if self._end_time is not None:
            _logger.warning("Tried calling %s on an ended span.", "set_status")
            return
        code = status.status_code if isinstance(status, Status) else status
        if code is StatusCode.UNSET or self._status.status_code is StatusCode.OK:
            return
        if isinstance(status, Status):
            if description is not None:
                _logger.warning(
                    "Description %s ignored. Use either `Status` or `(StatusCode, Description)`", description
                )
            self._status = status
            self.has_more = True
        elif isinstance(status, StatusCode):
            self._status = Status(status, description)
            self.has_more = True

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002 - the API's signature
    ) -> None:
        """Record an exception as an event, as the API asks; the app called this."""
        found: dict[str, Any] = {**exception_attributes(exception), "exception.escaped": str(escaped)}
        if attributes:
            found.update(attributes)
        self.add_event("exception", found, timestamp)

    # -- start and end

    def start(self, start_time: int | None = None, parent_context: Any = None) -> None:  # noqa: ARG002 - the SDK's signature
        """A span is started by its tracer."""
        _logger.warning("Calling start() on a started span.")

    def end(self, end_time: int | None = None) -> None:
        """End the span and hand it over; it does not change any more."""
        if self._end_time is not None:
            _logger.warning("Calling end() on an ended span.")
            return
        if end_time is None:
            end_time = time_ns()
        provider = self.tracer.provider
        if provider.notified or self.counted is not None:
            self.tracer.end(self, end_time)
        else:
            self._end_time = end_time
            if self.is_root:
                self.local.ended_ns = end_time
            provider.take(self)

    # -- sampling

    @property
    def sampled(self) -> bool:
        """The head decision, as propagated."""
        return bool(self.flags & TraceFlags.SAMPLED)


def _copied(attributes: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not attributes:
        return None
    return {key: value if type(value) in SCALARS else clean(value) for key, value in attributes.items()}


def new_span(  # noqa: PLR0913 - one argument per field that all spans have
    tracer: Tracer, name: str, trace_id: int, span_id: int, local: LocalTrace, kind: SpanKind, start_time: int
) -> Span:
    """A started span; made without its class's constructor, as the SDK's only refuses to be called."""
    span = _bare(Span)
    span.tracer = tracer
    span.trace_id = trace_id
    span.span_id = span_id
    span.local = local
    span._name = name  # noqa: SLF001 - a constructor
    span._attributes = {}  # noqa: SLF001
    span._ctx = None  # noqa: SLF001
    span._parent = None  # noqa: SLF001
    span._kind = kind  # noqa: SLF001
    span._start_time = start_time  # noqa: SLF001
    span._end_time = None  # noqa: SLF001
    span.parent_id = 0
    span.flags = 0
    span.is_root = False
    return span
