"""A real HTTP server on loopback that remembers what it was sent, and httpx under our instrumentor."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from opentelemetry import propagate
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from otel_distro import config
from otel_distro.context.baggage import FirstPartyBaggagePropagator
from otel_distro.instrumentation.httpx import HttpxInstrumentor


class Handler(BaseHTTPRequestHandler):
    """Answers `/status/<code>`, `/redirect?to=<url>` and `/hangup`; all else with 200."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        """Answer as the path says."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.seen.append((self.path, {key.lower(): value for key, value in self.headers.items()}))
        parts = urlsplit(self.path)
        if parts.path == "/hangup":
            self.close_connection = True
            return
        self.send_response(int(parts.path.rpartition("/")[2]) if parts.path.startswith("/status/") else 200)
        if parts.path == "/status/302":
            self.send_header("location", parts.query.partition("to=")[2])
        self.send_header("content-length", "2")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"ok")

    do_HEAD = do_PURGE = do_GET  # noqa: N815 - the base class's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's signature
        """Stay quiet."""


class Server(ThreadingHTTPServer):
    """The server, with the requests it saw."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.port = self.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.other = f"http://localhost:{self.port}"


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on a free loopback port; `other` is the same under a name that may not get baggage."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def instrumented() -> Iterator[HttpxInstrumentor]:
    """Httpx under our instrumentor, with the distribution's propagators; only 127.0.0.1 is first-party."""
    before = propagate.get_global_textmap()
    ours = [TraceContextTextMapPropagator(), FirstPartyBaggagePropagator()]
    propagate.set_global_textmap(CompositePropagator(ours))
    settings = config.use(config.current()._replace(baggage_hosts=("127.0.0.1",)))
    instrumentor = HttpxInstrumentor()
    instrumentor.instrument()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()
    config.use(settings)
    propagate.set_global_textmap(before)
