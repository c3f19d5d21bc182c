"""A real HTTP server on loopback that takes OTLP: keeps what it got, answers what it is told."""

from __future__ import annotations

import gzip
import ssl
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from tests.e2e.waiting import wait_for
from tests.exporter.requests import decoded

UNPACK = {None: bytes, "gzip": gzip.decompress, "deflate": zlib.decompress}
SIGNALS = {"/v1/traces": "traces", "/v1/metrics": "metrics", "/v1/logs": "logs"}


class Received(NamedTuple):
    """One request; `connection` counts connections from one on."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def payload(self) -> bytes:
        """The body, unpacked."""
        return UNPACK[self.headers.get("content-encoding")](self.body)


class Reply(NamedTuple):
    """What to answer; `hang`: nothing until the server ends; `close`: end the connection after it without saying so."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    hang: bool = False
    close: bool = False


class OtlpServer:
    """The replies are given in order, the last one for ever."""

    def __init__(self, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.replies = [Reply()]
        self.connections = 0
        self._ended = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._http.daemon_threads = True
        self._http.block_on_close = False
        if context is not None:
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self._http.server_address[1]
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[OtlpServer]:
        """Serve inside the block."""
        thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            self._http.shutdown()
            self._http.server_close()
            thread.join()

    def reply(self) -> Reply:
        """The next one."""
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def hang(self) -> None:
        """Wait until the server ends."""
        self._ended.wait()

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
            server.received.append(Received(self.path, headers, body, self.number))
            reply = server.reply()
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
