"""What the stores say about one request, once everything expected has arrived."""

from __future__ import annotations

from tests.e2e.loki import Line, Loki
from tests.e2e.trace_store import Span, TraceStore
from tests.e2e.waiting import wait_for


def lines_of(loki: Loki, request_id: str, *expected: str) -> list[Line]:
    """Return all lines of a request when each expected text begins one of them."""

    def complete() -> list[Line]:
        lines = loki.request(request_id)
        missing = [text for text in expected if not any(line.text.startswith(text) for line in lines)]
        return [] if missing else lines

    def wish() -> str:
        return f"lines that begin with {expected}, have {[line.text[:80] for line in loki.request(request_id)]}"

    return wait_for(complete, wish)


def line_of(loki: Loki, request_id: str, text: str) -> Line:
    """Return the one line of a request that begins with this text."""
    found = [line for line in lines_of(loki, request_id, text) if line.text.startswith(text)]
    assert len(found) == 1, f"{text!r} is there {len(found)} times"
    return found[0]


def trace_of(traces: TraceStore, trace_id: str, *expected: str) -> list[Span]:
    """Return all spans of a trace when each expected name is among them."""

    def complete() -> list[Span]:
        spans = traces.trace(trace_id)
        return spans if set(expected) <= {span.name for span in spans} else []

    def wish() -> str:
        return f"spans {expected} in {trace_id}, have {[span.name for span in traces.trace(trace_id)]}"

    return wait_for(complete, wish)


def only(spans: list[Span], kind: str, service: str = "") -> Span:
    """Return the one span of a kind, of a service when one is named."""
    found = [span for span in spans if span.kind == kind and service in ("", span.service)]
    assert len(found) == 1, f"{len(found)} {kind} spans: {[span.name for span in found]}"
    return found[0]


def below(spans: list[Span], ancestor: Span) -> list[Span]:
    """Return the spans that descend from a span."""
    inside = {ancestor.span_id}
    found: list[Span] = []
    while grown := [span for span in spans if span.parent_id in inside and span.span_id not in inside]:
        inside |= {span.span_id for span in grown}
        found += grown
    return found


def statements(spans: list[Span]) -> list[Span]:
    """Return the SQL spans."""
    return [span for span in spans if span.kind == "CLIENT" and "db.system.name" in span.attributes]
