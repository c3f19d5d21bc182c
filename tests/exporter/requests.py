"""What an exporter would send for some items, decoded by OpenTelemetry's own protobuf classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from time import monotonic
from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource

from otel_distro.exporter.otlp import OtlpExporter
from otel_distro.exporter.sender import Sender
from otel_distro.exporter.transport import Answer, Result

RESOURCE = Resource({"service.name": "test", "process.pid": 7, "list": ("a", "b")}, "https://schema.example/1")
REQUESTS: dict[str, Any] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}


class Kept:
    """A transport that keeps payloads and gives the answers it was told, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.payloads: list[bytes] = []
        self.timeouts: list[float] = []
        self.counts: Counter[str] = Counter()
        self._answers = list(answers) or [Answer(Result.SUCCESS)]

    def send(self, payload: bytes, timeout: float) -> Answer:
        """Keep it."""
        self.payloads.append(payload)
        self.timeouts.append(timeout)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def reset(self) -> None:
        """A forked child's."""
        self.counts["reset"] += 1

    def close(self) -> None:
        """Nothing is open."""
        self.counts["close"] += 1


def exported(signal: str, items: Iterable[Any]) -> Any:
    """The request in which an OTLP exporter sends these spans or log records."""
    transport = Kept()
    sender = Sender(signal, transport, 1 << 30, 10)
    exporter = OtlpExporter(sender, lambda: RESOURCE)
    for item in items:
        exporter.add([item])
    exporter.seal()
    assert exporter.flush(monotonic() + 10)
    exporter.shutdown(monotonic() + 10)
    (payload,) = transport.payloads
    return decoded(signal, payload)


def decoded(signal: str, payload: bytes) -> Any:
    """An export request; nothing in it is unknown to the protocol."""
    request: Message = REQUESTS[signal].FromString(payload)
    size = request.ByteSize()
    request.DiscardUnknownFields()  # type: ignore[attr-defined]
    assert request.ByteSize() == size
    return request


def attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    """Repeated `KeyValue`s as a dictionary of plain values."""
    return {pair.key: value(pair.value) for pair in pairs}


def value(any_value: Any) -> Any:
    """An `AnyValue` as a plain value."""
    kind = any_value.WhichOneof("value")
    if kind is None:
        return None
    found = getattr(any_value, kind)
    if kind == "array_value":
        return [value(item) for item in found.values]
    return attributes(found.values) if kind == "kvlist_value" else found
