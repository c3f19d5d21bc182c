"""The viewer as a running thing: store, writer thread and HTTP server on loopback."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import uvicorn

from otel_distro.viewer.receiver import receiver
from otel_distro.viewer.schema import StoreError
from otel_distro.viewer.store import Store
from otel_distro.viewer.writer import Writer

if TYPE_CHECKING:
    from pathlib import Path

    from otel_distro.viewer.store import Limits

HOST = "127.0.0.1"
SHUTDOWN_SECONDS = 2


class ViewerServer:
    """An OTLP receiver on 127.0.0.1 that fills a store file; `start`, then `stop`."""

    def __init__(self, path: Path, port: int = 0, limits: Limits | None = None) -> None:
        """Open the store and take the port (0 is any free one): StoreError or OSError when that fails."""
        self._socket = _listen(port)
        try:
            store = Store(path, limits)
        except StoreError:
            self._socket.close()
            raise
        self._writer = Writer(store)
        config = uvicorn.Config(
            receiver(self._writer),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="otel-distro-viewer-http", daemon=True)

    @property
    def endpoint(self) -> str:
        """The value for OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://{HOST}:{self._socket.getsockname()[1]}"

    def start(self) -> None:
        """Start the writer and the server; requests are answered from now on."""
        self._writer.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop receiving, write what is queued, close the store."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join()
        self._writer.stop()
        self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener
