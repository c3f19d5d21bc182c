"""Ended spans to OTLP protobuf, straight from the records (opentelemetry/proto/trace/v1/trace.proto)."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import StatusCode

from otel_distro.exporter.wire import FIXED64, attributes, field, text, varint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import Event
    from opentelemetry.trace import Link

# trace_id 1, span_id 2, parent_span_id 4, start 7, end 8 | flags 16: tags and lengths packed with their values
_ROOT = Struct("<H16sH8sBQBQ").pack
_CHILD = Struct("<H16sH8sH8sBQBQ").pack
_IDS = Struct(">BB16sBB8s").pack
_FLAGS = Struct("<HI").pack
_HAS_REMOTE = 0x100
_REMOTE = 0x200
_heads: dict[tuple[str, int], bytes] = {}
_MAX_HEADS = 4096


def encode_span(span: Any) -> bytes:
    """The body of one `Span` (ours: read by its fields, not by the properties that copy)."""
    trace_id, span_id = span.trace_id.to_bytes(16, "big"), span.span_id.to_bytes(8, "big")
    started, ended = span._start_time, span._end_time  # noqa: SLF001
    flags, above = span.flags | _HAS_REMOTE, span.parent_id
    if above:
        parent_id = above.to_bytes(8, "big")
        ids = _CHILD(0x100A, trace_id, 0x0812, span_id, 0x0822, parent_id, 0x39, started, 0x41, ended)
        if span.is_root and span._parent.is_remote:  # noqa: SLF001
            flags |= _REMOTE
    else:
        ids = _ROOT(0x100A, trace_id, 0x0812, span_id, 0x39, started, 0x41, ended)
    name, kind = span._name, span._kind._value_  # noqa: SLF001 - `value` is a slow property
    return b"".join(
        (
            ids,
            _heads.get((name, kind)) or _head(name, kind),
            attributes(b"\x4a", span._attributes),  # noqa: SLF001
            _rest(span) if span.has_more else b"",
            _FLAGS(0x0185, flags),
        )
    )


def _head(name: str, kind: int) -> bytes:
    if len(_heads) >= _MAX_HEADS:
        _heads.clear()
    head = _heads[name, kind] = field(b"\x2a", text(name)) + b"\x30" + varint(kind + 1)
    return head


def _rest(span: Any) -> bytes:
    """What most spans do not have: trace state, events, links, a status, dropped counts."""
    out = b""
    if span.trace_state:
        out += field(b"\x1a", text(span.trace_state.to_header()))
    if span._dropped:  # noqa: SLF001
        out += b"\x50" + varint(span._dropped)  # noqa: SLF001
    events, links, status = span._events, span._links, span._status  # noqa: SLF001
    if events or events.dropped:
        out += b"".join(field(b"\x5a", _event(event)) for event in span.events) + b"\x60" + varint(events.dropped)
    if links or links.dropped:
        out += b"".join(field(b"\x6a", _link(link)) for link in span.links) + b"\x70" + varint(links.dropped)
    if status.status_code is not StatusCode.UNSET:
        body = field(b"\x12", text(status.description)) if status.description else b""
        out += field(b"\x7a", body + b"\x18" + varint(status.status_code.value))
    return out


def _event(event: Event) -> bytes:
    body = b"\x09" + FIXED64(event.timestamp) + field(b"\x12", text(event.name)) + attributes(b"\x1a", event.attributes)
    return body + (b"\x20" + varint(event.dropped_attributes) if event.dropped_attributes else b"")


def _link(link: Link) -> bytes:
    context = link.context
    body = _IDS(0x0A, 16, context.trace_id.to_bytes(16, "big"), 0x12, 8, context.span_id.to_bytes(8, "big"))
    if context.trace_state:
        body += field(b"\x1a", text(context.trace_state.to_header()))
    body += attributes(b"\x22", link.attributes)
    if link.dropped_attributes:
        body += b"\x28" + varint(link.dropped_attributes)
    flags = int(context.trace_flags) | _HAS_REMOTE | (_REMOTE if context.is_remote else 0)
    return body + b"\x35" + flags.to_bytes(4, "little")


def span_size(span: Any) -> int:
    """About how many bytes a waiting span of ours holds, without looking at each value."""
    if not span.has_more:
        return 400 + 96 * len(span._attributes)  # noqa: SLF001
    links: Sequence[Any] = span._links  # noqa: SLF001
    events: Sequence[Any] = span._events  # noqa: SLF001
    return 400 + 96 * len(span._attributes) + 2048 * len(events) + 256 * len(links)  # noqa: SLF001
