"""Reading traces back: from the Collector's file exporter, or from a real Tempo."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
CODES = ("UNSET", "OK", "ERROR")
HEX_TRACE_ID = 32
HEX_SPAN_ID = 16


@dataclass(frozen=True)
class Event:
    """An event of a span."""

    name: str
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Span:
    """One stored span."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    status: str
    start: int
    end: int
    attributes: dict[str, Any]
    resource: dict[str, Any]
    events: tuple[Event, ...]

    @property
    def service(self) -> str:
        """The service that sent it."""
        return str(self.resource.get("service.name", ""))


class TraceStore(Protocol):
    """Where traces end up."""

    def trace(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace by start time; none when the store does not have it."""

    def search(self, attribute: str, value: str | int | bool) -> list[str]:
        """Return the ids of the traces in which some span has this attribute."""


class FileTraceStore:
    """The Collector's file: exactly what it would send to Tempo."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = 0
        self._spans: dict[tuple[str, str], Span] = {}

    def trace(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace by start time."""
        return sorted((span for span in self.spans() if span.trace_id == trace_id), key=lambda span: span.start)

    def search(self, attribute: str, value: str | int | bool) -> list[str]:
        """Return the ids of the traces in which some span has this attribute."""
        return list(dict.fromkeys(span.trace_id for span in self.spans() if span.attributes.get(attribute) == value))

    def spans(self) -> list[Span]:
        """Return all spans; what was read before is not read again."""
        if self._file.exists():
            with self._file.open("rb") as file:
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):  # being written
                        break
                    self._offset += len(line)
                    for span in spans_of(json.loads(line)):
                        self._spans[span.trace_id, span.span_id] = span
        return list(self._spans.values())


class TempoTraceStore:
    """A real Tempo, by its HTTP API."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/api"

    def trace(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace by start time."""
        answer = self._get(f"v2/traces/{trace_id}", {})
        if answer.status_code == httpx.codes.NOT_FOUND:
            return []
        assert answer.status_code == httpx.codes.OK, answer.text
        return sorted(spans_of(answer.json()["trace"]), key=lambda span: span.start)

    def search(self, attribute: str, value: str | int | bool) -> list[str]:
        """Return the ids of the traces in which some span has this attribute."""
        answer = self._get("search", {"q": f"{{ .{attribute} = {json.dumps(value)} }}", "limit": "1000"})
        assert answer.status_code == httpx.codes.OK, answer.text
        return [found["traceID"].rjust(HEX_TRACE_ID, "0") for found in answer.json().get("traces", [])]

    def _get(self, path: str, parameters: dict[str, str]) -> httpx.Response:
        headers = {"accept": "application/json"}
        return httpx.get(f"{self._url}/{path}", params=parameters, headers=headers, timeout=10, trust_env=False)


def spans_of(document: dict[str, Any]) -> Iterator[Span]:
    """Read the spans of an OTLP JSON document."""
    for group in document.get("resourceSpans", ()):
        resource = attributes_of(group.get("resource", {}))
        for scope in group.get("scopeSpans", ()):
            for row in scope["spans"]:
                yield _span(row, resource)


def _span(row: dict[str, Any], resource: dict[str, Any]) -> Span:
    events = tuple(Event(event["name"], attributes_of(event)) for event in row.get("events", ()))
    return Span(
        trace_id=_hexadecimal(row["traceId"], HEX_TRACE_ID),
        span_id=_hexadecimal(row["spanId"], HEX_SPAN_ID),
        parent_id=_hexadecimal(row.get("parentSpanId", ""), HEX_SPAN_ID),
        name=row["name"],
        kind=_enumerated(row.get("kind", 0), KINDS),
        status=_enumerated(row.get("status", {}).get("code", 0), CODES),
        start=int(row["startTimeUnixNano"]),
        end=int(row["endTimeUnixNano"]),
        attributes=attributes_of(row),
        resource=resource,
        events=events,
    )


def attributes_of(row: dict[str, Any]) -> dict[str, Any]:
    """Read OTLP's list of keys and values."""
    return {pair["key"]: _value(pair["value"]) for pair in row.get("attributes", ())}


def _value(value: dict[str, Any]) -> Any:
    kind: str
    content: Any
    kind, content = next(iter(value.items()), ("", None))
    if kind == "intValue":
        return int(content)
    if kind == "arrayValue":
        return [_value(item) for item in content.get("values", ())]
    if kind == "kvlistValue":
        return {pair["key"]: _value(pair["value"]) for pair in content.get("values", ())}
    return content


def _enumerated(value: int | str, names: tuple[str, ...]) -> str:
    """Name an enumeration's value: the Collector writes numbers, Tempo long names."""
    return names[value] if isinstance(value, int) else value.rsplit("_", 1)[1]


def _hexadecimal(identifier: str, length: int) -> str:
    """Return an id in hex: Tempo's JSON has base64."""
    return identifier if len(identifier) in (0, length) else base64.b64decode(identifier).hex()
