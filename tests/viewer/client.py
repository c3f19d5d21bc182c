"""A client of a running viewer: OTLP/JSON to send, and the store to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from otel_distro.viewer.query import Query
from otel_distro.viewer.server import ViewerServer

if TYPE_CHECKING:
    from pathlib import Path

TRACE = "0af7651916cd43dd8448eb211c80319c"


def attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return OTLP/JSON attributes."""
    return [
        {"key": key, "value": value if isinstance(value, dict) else {"stringValue": value}}
        for key, value in values.items()
    ]


def envelope(signal: str, records: list[Any], service: str = "shop") -> dict[str, Any]:
    """Return an export request of one resource and scope."""
    outer, inner, field = {
        "traces": ("resourceSpans", "scopeSpans", "spans"),
        "logs": ("resourceLogs", "scopeLogs", "logRecords"),
        "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
    }[signal]
    resource = {"attributes": attributes({"service.name": service})}
    return {outer: [{"resource": resource, inner: [{"scope": {"name": "shop.checkout"}, field: records}]}]}


def span(number: int, parent: int | None = None, trace: str = TRACE, **values: Any) -> dict[str, Any]:
    """Return a span that lasts from `number` to `number` + 100 seconds; keywords are fields of the span."""
    found = {
        "traceId": trace,
        "spanId": f"{number:016x}",
        "name": f"span {number}",
        "kind": 1,
        "startTimeUnixNano": str(number * 10**9),
        "endTimeUnixNano": str((number + 100) * 10**9),
    }
    if parent is not None:
        found["parentSpanId"] = f"{parent:016x}"
    return found | values


def log(second: int, body: str, inside: int | None = None, trace: str = TRACE, **values: Any) -> dict[str, Any]:
    """Return a log record; keywords are attributes."""
    record: dict[str, Any] = {
        "timeUnixNano": str(second * 10**9),
        "severityNumber": 9,
        "severityText": "INFO",
        "body": {"stringValue": body},
        "attributes": attributes(values),
    }
    if inside is not None:
        record |= {"traceId": trace, "spanId": f"{inside:016x}"}
    return record


class Client:
    """Sends to a viewer, then reads its store."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.server = ViewerServer(path)
        self.server.start()
        self.http = httpx.Client(base_url=self.server.endpoint, trust_env=False, timeout=20)
        self._opened: list[Query] = []

    def send(self, signal: str, *records: dict[str, Any], service: str = "shop") -> None:
        """Export records as OTLP/JSON."""
        answer = self.http.post(f"/v1/{signal}", json=envelope(signal, list(records), service))
        assert answer.status_code == 200, answer.text

    def stored(self) -> Query:
        """Stop the viewer, which writes what it has received, and read the store."""
        self._stop()
        self._opened.append(Query(self.path))
        return self._opened[-1]

    def close(self) -> None:
        self._stop()
        for query in self._opened:
            query.close()

    def _stop(self) -> None:
        self.http.close()
        self.server.stop()
