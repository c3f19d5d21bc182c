"""Real servers on loopback that take OTLP: they keep what they got, and answer what they are told."""

from __future__ import annotations

import gzip
import ssl
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import Any, NamedTuple

from typing_extensions import Self

from tests.e2e.waiting import wait_for
from tests.exporter.requests import decoded

UNPACK = {None: bytes, "identity": bytes, "gzip": gzip.decompress, "deflate": zlib.decompress}
_EXPORT = "/opentelemetry.proto.collector.{}.v1.{}Service/Export"
SIGNALS = {
    "/v1/traces": "traces",
    "/v1/metrics": "metrics",
    "/v1/logs": "logs",
    _EXPORT.format("trace", "Trace"): "traces",
    _EXPORT.format("metrics", "Metrics"): "metrics",
    _EXPORT.format("logs", "Logs"): "logs",
}


class Received(NamedTuple):
    """One request; `connection` counts connections from one on, `time` is when it was complete, by `monotonic()`."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    time: float = 0.0

    @property
    def payload(self) -> bytes:
        """The body, unpacked."""
        return UNPACK[self.headers.get("content-encoding") or self.headers.get("grpc-encoding")](self.body)


class Reply(NamedTuple):
    """What to answer; `hang`: nothing until `let_go`; `close`: end the connection after it without saying so."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    hang: bool = False
    close: bool = False


class Receiver:
    """What came, and what is to be answered: the replies are given in order, the last one for ever."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        """Most bytes of a request's body."""
        self.received: list[Received] = []
        self.replies: list[Any] = []
        self.connections = 0
        self._let_go = threading.Event()
        self.port = 0
        self.url = ""

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Serve inside the block."""
        thread = threading.Thread(target=self.serve)
        thread.start()
        try:
            yield self
        finally:
            self.let_go()
            self.stop()
            thread.join()

    def serve(self) -> None:
        """Take connections until it is stopped."""
        raise NotImplementedError

    def stop(self) -> None:
        """Make `serve` return."""
        raise NotImplementedError

    def take(self, one: Received, refusal: Any) -> Any:
        """Keep a request, and say what to answer; the refusal when it is too large."""
        if self.limit is not None and len(one.body) > self.limit:
            return refusal
        self.received.append(one._replace(time=monotonic()))
        return self.reply()

    def reply(self) -> Any:
        """The next one."""
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def hang(self) -> None:
        """Wait until `let_go`."""
        self._let_go.wait()

    def let_go(self) -> None:
        """End what hangs, unanswered."""
        self._let_go.set()

    def wait(self, count: int) -> list[Received]:
        """What came, once it is so many requests."""
        return wait_for(lambda: len(self.received) >= count and self.received, f"{count} requests", 10) or []

    def spans(self) -> list[Any]:
        """All spans that came."""
        return [span for _, scope in self.scopes("traces") for span in scope.spans]

    def log_records(self) -> list[Any]:
        """All log records that came."""
        return [record for _, scope in self.scopes("logs") for record in scope.log_records]

    def metrics(self, name: str | None = None) -> list[Any]:
        """All metrics that came, or those of this name."""
        found = [metric for _, scope in self.scopes("metrics") for metric in scope.metrics]
        return [metric for metric in found if name in (None, metric.name)]

    def scopes(self, signal: str) -> list[tuple[Any, Any]]:
        """Resource and scope of all that came of a signal."""
        found = []
        for one in list(self.received):
            if SIGNALS.get(one.path) == signal:
                for entry in getattr(
                    decoded(signal, one.payload), {"traces": "resource_spans"}.get(signal, f"resource_{signal}")
                ):
                    scopes = getattr(entry, {"traces": "scope_spans"}.get(signal, f"scope_{signal}"))
                    found += [(entry.resource, scope) for scope in scopes]
        return found


class OtlpServer(Receiver):
    """By HTTP."""

    def __init__(self, port: int = 0, context: ssl.SSLContext | None = None, limit: int | None = None) -> None:
        super().__init__(limit)
        self.replies = [Reply()]
        self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._http.daemon_threads = True
        self._http.block_on_close = False
        if context is not None:
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._http.server_address[1]
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}"

    def serve(self) -> None:
        """Take connections until it is stopped."""
        self._http.serve_forever(poll_interval=0.01)

    def stop(self) -> None:
        """Make `serve` return."""
        self._http.shutdown()
        self._http.server_close()


def _handler(server: OtlpServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            server.connections += 1
            self.number = server.connections

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {key.lower(): value for key, value in self.headers.items()}
            reply = server.take(Received(self.path, headers, body, self.number), Reply(413))
            if reply.hang:
                server.hang()
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in (*reply.headers, ("Content-Length", str(len(reply.body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)
            self.close_connection = reply.close

        def handle(self) -> None:
            with suppress(OSError):  # a client that went away, or a handshake that failed
                super().handle()

        def finish(self) -> None:
            with suppress(OSError):
                super().finish()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    return Handler
