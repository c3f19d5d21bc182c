"""An OTLP/HTTP body becomes a protobuf message: compression with a bomb limit, protobuf and JSON."""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_MEMBERS = 16
WINDOW_BITS = {"gzip": 31, "deflate": 15}
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
REQUESTS: dict[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
RESPONSES: dict[str, tuple[type[Message], str]] = {
    "traces": (ExportTraceServiceResponse, "rejected_spans"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records"),
}
HEX_IDS = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})


class BodyError(Exception):
    """A body that is refused, with the HTTP status to answer."""

    def __init__(self, status: int, reason: str) -> None:
        """Keep the status and the reason."""
        super().__init__(reason)
        self.status = status
        self.reason = reason


def decode(signal: str, body: bytes, content_type: str, encoding: str) -> Message:
    """Return the export request in `body`, or raise BodyError."""
    if encoding in WINDOW_BITS:
        body = inflate(body, MAX_BODY_BYTES, WINDOW_BITS[encoding])
    elif encoding not in {"", "identity"}:
        raise BodyError(415, f"content encoding {encoding[:40]!r} is not supported, only gzip and deflate")
    message = REQUESTS[signal]()
    try:
        if content_type == JSON:
            json_format.ParseDict(_json_object(body), message, ignore_unknown_fields=True)
        else:
            message.ParseFromString(body)
    except (
        DecodeError,
        json_format.ParseError,
        ValueError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise BodyError(400, f"not an OTLP {signal} request: {str(error)[:200]}") from error
    return message


def inflate(body: bytes, limit: int, window_bits: int) -> bytes:
    """Inflate at most `limit` bytes; more, or a broken stream, raises BodyError."""
    inflated = bytearray()
    for _ in range(MAX_MEMBERS):
        inflater = zlib.decompressobj(window_bits)
        try:
            inflated += inflater.decompress(body, limit + 1 - len(inflated))
        except zlib.error as error:
            raise BodyError(400, "the compressed body is broken") from error
        if len(inflated) > limit:
            raise BodyError(413, f"the body is larger than {limit} bytes after inflating")
        if not inflater.eof:
            raise BodyError(400, "the compressed body is cut off")
        body = inflater.unused_data
        if not body:
            return bytes(inflated)
    raise BodyError(400, "the compressed body has too many members")


def encode_response(signal: str, content_type: str, rejected: int) -> bytes:
    """Return the export response, with partial success when records were rejected."""
    response_type, field = RESPONSES[signal]
    response: Any = response_type()
    if rejected:
        setattr(response.partial_success, field, rejected)
        response.partial_success.error_message = "records without a valid identity were rejected"
    if content_type == JSON:
        return json_format.MessageToJson(response, indent=None).encode()
    payload: bytes = response.SerializeToString()
    return payload


def encode_error(content_type: str, reason: str) -> bytes:
    """Return google.rpc.Status with the reason, as OTLP asks for errors."""
    if content_type == JSON:
        return json.dumps({"message": reason}).encode()
    # The same fields on the wire: the text is field 2 of both messages.
    payload: bytes = ExportTracePartialSuccess(error_message=reason).SerializeToString()
    return payload


def _json_object(body: bytes) -> dict[str, Any]:
    document = json.loads(body)
    if not isinstance(document, dict):
        message = "the body is not a JSON object"
        raise TypeError(message)
    pending: list[Any] = [document]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(node)
        elif isinstance(node, dict):
            _ids_to_base64(node)
            pending.extend(node.values())
    return document


def _ids_to_base64(node: dict[str, Any]) -> None:
    # OTLP/JSON writes ids in hex where the protobuf JSON mapping expects base64.
    for key in HEX_IDS.intersection(node):
        if isinstance(node[key], str):
            node[key] = base64.b64encode(bytes.fromhex(node[key])).decode()
