"""OTLP JSON written by hand, for what the Collector itself has to show."""

from __future__ import annotations

import secrets
import time
from typing import Any


def traces(*spans: dict[str, Any], service: str = "probe") -> dict[str, Any]:
    """Wrap spans into a request."""
    return {"resourceSpans": [{"resource": _resource(service), "scopeSpans": [{"spans": list(spans)}]}]}


def logs(*records: dict[str, Any], service: str = "probe") -> dict[str, Any]:
    """Wrap log records into a request."""
    return {"resourceLogs": [{"resource": _resource(service), "scopeLogs": [{"logRecords": list(records)}]}]}


def metrics(*items: dict[str, Any], service: str = "probe") -> dict[str, Any]:
    """Wrap metrics into a request."""
    return {"resourceMetrics": [{"resource": _resource(service), "scopeMetrics": [{"metrics": list(items)}]}]}


def span(
    trace_id: str, *, error: bool = False, milliseconds: int = 10, **attributes: str | int | bool
) -> dict[str, Any]:
    """Write a server span that ends now; a double underscore in an attribute's name is a dot."""
    now = time.time_ns()
    return {
        "traceId": trace_id,
        "spanId": secrets.token_hex(8),
        "name": "GET /probe",
        "kind": 2,
        "startTimeUnixNano": str(now - milliseconds * 10**6),
        "endTimeUnixNano": str(now),
        "status": {"code": 2} if error else {},
        "attributes": pairs(attributes),
    }


def log(body: str, severity: int = 9, trace_id: str = "", **attributes: str | int | bool) -> dict[str, Any]:
    """Write a log record of now."""
    now = str(time.time_ns())
    return {
        "timeUnixNano": now,
        "observedTimeUnixNano": now,
        "severityNumber": severity,
        "body": {"stringValue": body},
        "traceId": trace_id,
        "spanId": secrets.token_hex(8) if trace_id else "",
        "attributes": pairs(attributes),
    }


def counter(name: str, value: int, started: int, **attributes: str | int | bool) -> dict[str, Any]:
    """Write a cumulative counter: a zero point at its start, then its value now."""
    points = [(started, 0), (time.time_ns(), value)]
    return {
        "name": name,
        "sum": {
            "aggregationTemporality": 2,
            "isMonotonic": True,
            "dataPoints": [
                {
                    "startTimeUnixNano": str(started),
                    "timeUnixNano": str(at),
                    "asInt": str(count),
                    "attributes": pairs(attributes),
                }
                for at, count in points
            ],
        },
    }


def exemplar(trace_id: str, **attributes: str | int | bool) -> dict[str, Any]:
    """Write an exemplar of now."""
    return {
        "traceId": trace_id,
        "spanId": secrets.token_hex(8),
        "timeUnixNano": str(time.time_ns()),
        "asInt": "1",
        "filteredAttributes": pairs(attributes),
    }


def trace_id() -> str:
    """Make a trace id."""
    return secrets.token_hex(16)


def pairs(attributes: dict[str, str | int | bool]) -> list[dict[str, Any]]:
    """Write attributes as OTLP's list of keys and values."""
    return [{"key": key.replace("__", "."), "value": _value(value)} for key, value in attributes.items()]


def _value(value: str | int | bool) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}


def _resource(service: str) -> dict[str, Any]:
    return {"attributes": pairs({"service__name": service, "service__instance__id": "1"})}
