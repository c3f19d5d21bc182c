"""A small OTLP/HTTP server on loopback that keeps what it is sent, for tests of whole processes."""

from __future__ import annotations

import gzip
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Callable

_REQUESTS: dict[str, Callable[[], Any]] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
}
_DECODERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "deflate": zlib.decompress}


class OtlpSink:
    """Spans, log records and metrics as protobuf messages, in the order of arrival; a context manager."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.logs: list[Any] = []
        self.metrics: list[Any] = []
        self.scoped: list[tuple[str, Any]] = []
        """Each item with the name of its instrumentation scope."""
        self.resources: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._changed = Condition()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                body = _DECODERS.get(self.headers.get("Content-Encoding", ""), bytes)(body)
                sink.take(self.path, body, {key.lower(): value for key, value in self.headers.items()})
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> OtlpSink:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        """Decode one request; an unknown path or broken body fails the sender's request."""
        request = _REQUESTS[path]()
        request.ParseFromString(body)
        with self._changed:
            self.headers.append({"path": path, **headers})
            for group in request.ListFields()[0][1] if request.ListFields() else ():
                self.resources.append(attributes(group.resource))
                self._keep(path, group)
            self._changed.notify_all()

    def _keep(self, path: str, group: Any) -> None:
        kind, items, kept = {
            "/v1/traces": ("scope_spans", "spans", self.spans),
            "/v1/logs": ("scope_logs", "log_records", self.logs),
            "/v1/metrics": ("scope_metrics", "metrics", self.metrics),
        }[path]
        for scope in getattr(group, kind):
            found = list(getattr(scope, items))
            kept += found
            self.scoped += [(scope.scope.name, item) for item in found]

    def wait_for(self, condition: Callable[[OtlpSink], Any], what: str, seconds: float = 30) -> Any:
        """Wait until the condition holds for what arrived, and give its value."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), seconds), f"{what} did not arrive in {seconds} s"
            return condition(self)


def attributes(message: Any) -> dict[str, Any]:
    """The attributes of a span, log record, data point or resource as a plain dict."""
    return {pair.key: value_of(pair.value) for pair in message.attributes}


def value_of(value: Any) -> Any:
    """An `AnyValue` as plain Python."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    found = getattr(value, kind)
    if kind == "array_value":
        return [value_of(item) for item in found.values]
    if kind == "kvlist_value":
        return {pair.key: value_of(pair.value) for pair in found.values}
    return found
