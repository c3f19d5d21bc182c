"""Spans and log records of every kind, and what an encoder makes of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode

from otel_distro.exporter import batch
from otel_distro.exporter.logs import encode_log
from otel_distro.exporter.spans import encode_span
from otel_distro.logs.json_line import JsonLines, json_lines
from otel_distro.native import extension
from otel_distro.pipeline.local_trace import LocalTrace, Mode
from otel_distro.pipeline.span import Span, new_span
from otel_distro.pipeline.tracer import TracerProvider
from otel_distro.record import Exact, Fixed, LogRecord

NATIVE: Any = extension()
RESOURCE = {"service.name": "shöp", "service.version": "1", "process.pid": 1}
TRACERS: list[Any] = [TracerProvider(shutdown_on_exit=False).get_tracer(name) for name in ("one", "two")]
LINES = JsonLines(RESOURCE)
NATIVE_LINES = json_lines(RESOURCE)

CHARACTERS = 'aé☃😀\ud800\udfff\x00\x1f"\\/\n\x7f\x80\uffff'
EDGES = [length + more for length in (0, 62, 120, 127, 16383) for more in (-2, -1, 0, 1, 2) if length + more >= 0]
SHORT = st.text(st.sampled_from(CHARACTERS) | st.characters(), max_size=12)
TEXT = SHORT | st.builds(lambda character, size: character * size, st.sampled_from(CHARACTERS), st.sampled_from(EDGES))
INTEGERS = st.integers() | st.sampled_from(
    [sign * 2**power + more for sign in (1, -1) for power in (7, 14, 31, 32, 63, 64) for more in (-1, 0, 1)]
)
USUAL = TEXT | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = TEXT | INTEGERS | st.booleans() | st.floats() | st.binary(max_size=300)
VALUES = st.recursive(
    SCALARS | st.none(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(TEXT, inner, max_size=3)
        | st.frozensets(st.integers(), max_size=2)
    ),
    max_leaves=8,
)
KEYS = TEXT | st.sampled_from(["http.route", "code.line.number", "exception.type", "user.hash", "request_id"])
NAMES = st.sampled_from(["status", "service.name", "level", "user"])
"""Those of our own fields: a line in which the app has one is rendered as a whole."""
USUAL_DICTS = st.dictionaries(KEYS, USUAL | st.none() | st.lists(USUAL, max_size=3), max_size=8)
DICTS = USUAL_DICTS | st.dictionaries(KEYS, SCALARS, max_size=4) | st.dictionaries(KEYS | NAMES, VALUES, max_size=8)
"""One odd value and the twin has it all: mostly there is none."""
ATTRIBUTES = DICTS | DICTS.map(Exact) | DICTS.map(Fixed)
UINT64, UINT128 = st.integers(0, 2**64 - 1), st.integers(0, 2**128 - 1)
PARENTS = st.builds(SpanContext, UINT128, UINT64, st.booleans())


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """An ended span."""
    tracer, kind = draw(st.sampled_from(TRACERS)), draw(st.sampled_from(SpanKind))
    span = new_span(tracer, draw(TEXT), draw(UINT128), draw(UINT64), LocalTrace(Mode.EXPORT), kind, draw(UINT64))
    span._end_time = draw(UINT64)
    span._attributes = draw(ATTRIBUTES)
    span.flags = draw(st.integers(0, 255))
    span.is_root = draw(st.booleans())
    if draw(st.booleans()):
        span.parent_id, span._parent = draw(UINT64), draw(PARENTS)
    if draw(st.integers(0, 5)) == 0:
        span.has_more, span._status = True, Status(StatusCode.ERROR, draw(SHORT))
    return span


RECORDS = st.builds(
    LogRecord,
    st.integers(0, 2**64 - 1) | st.integers(10**18, 2 * 10**18),
    st.integers(0, 255) | INTEGERS,
    SHORT,
    SHORT,
    TEXT,
    attributes=st.none() | ATTRIBUTES,
    fields=st.none() | USUAL_DICTS | DICTS | USUAL_DICTS.map(Fixed),
    trace_id=st.just(0) | UINT128,
    span_id=UINT64,
    trace_flags=st.integers(0, 2**32 - 1),
    event_name=st.none() | SHORT,
)
ADD: dict[type, Any] = {Span: "add_spans", LogRecord: "add_logs"}
ENCODE: dict[type, Callable[[Any], bytes]] = {Span: encode_span, LogRecord: encode_log}


def encoded(item: Any, *, native: bool, like: type | None = None) -> Any:
    """The bytes by group, or the type of what was raised; `like`: the kind that the exporter takes it for."""
    kind = like or type(item)
    groups: dict[Any, bytearray] = {}
    add = getattr(NATIVE if native else batch, ADD[kind])
    try:
        add(groups, iter([item]), ENCODE[kind])
    except Exception as error:  # noqa: BLE001 - whatever the twin raises
        return type(error)
    return groups


def line(record: Any, *, native: bool) -> Any:
    """The line, or the type of what was raised."""
    try:
        return (NATIVE_LINES if native else LINES)(record)
    except Exception as error:  # noqa: BLE001 - as above
        return type(error)


def forget(*values: Mapping[str, Any] | None) -> None:
    """What was made of fixed attributes is made again."""
    for value in values:
        if isinstance(value, Fixed):
            value.kept.clear()


class TwinCalledError(Exception):
    """The native encoder left an item to its twin."""


def unexpected(item: object) -> bytes:
    """A twin that must not be called."""
    raise TwinCalledError
