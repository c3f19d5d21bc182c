"""A gRPC server on loopback that takes OTLP, written by frames so that it can do what no library would."""

from __future__ import annotations

import socket
import ssl
import threading
from base64 import b64encode
from contextlib import suppress
from typing import Any, NamedTuple

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, RequestReceived, StreamEnded
from h2.exceptions import H2Error
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame

from tests.exporter.server import Received, Receiver


class GrpcReply(NamedTuple):
    """What to answer; `go_away`: say so before; `reset`: give the stream up in place of it; `close`: in the middle."""

    code: int | None = 0
    message: str = ""
    details: bytes = b""
    body: bytes = b""
    status: str = "200"
    hang: bool = False
    close: bool = False
    reset: int | None = None
    go_away: bool = False
    encoding: str = ""


class GrpcServer(Receiver):
    """By gRPC."""

    def __init__(
        self,
        port: int = 0,
        context: ssl.SSLContext | None = None,
        limit: int | None = None,
        window: int = 65535,
    ) -> None:
        super().__init__(limit)
        self.replies = [GrpcReply()]
        self.window = window
        self._context = context
        if context is not None:
            context.set_alpn_protocols(["h2"])
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port = self._listening.getsockname()[1]
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.port}"

    def serve(self) -> None:
        """Take connections until it is stopped."""
        with suppress(OSError):
            while True:
                accepted, _ = self._listening.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(accepted, self.connections), daemon=True).start()

    def stop(self) -> None:
        """Make `serve` return."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _talk(self, accepted: socket.socket, number: int) -> None:
        with suppress(OSError, H2Error):
            if self._context is not None:
                accepted = self._context.wrap_socket(accepted, server_side=True)
            with accepted:
                _Connection(self, accepted, number).serve()


class _Connection:
    def __init__(self, server: GrpcServer, accepted: socket.socket, number: int) -> None:
        self.server = server
        self.socket = accepted
        self.number = number
        self.headers: dict[str, str] = {}
        self.body = b""
        self.state = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
        self.state.initiate_connection()
        self.state.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: server.window})

    def serve(self) -> None:
        """Answer calls until either side has had enough."""
        self.socket.sendall(self.state.data_to_send())
        while data := self.socket.recv(65536):
            for event in self.state.receive_data(data):
                if isinstance(event, ConnectionTerminated) or not self._take(event):
                    return
            self.socket.sendall(self.state.data_to_send())

    def _take(self, event: Any) -> bool:
        if isinstance(event, RequestReceived):
            self.headers = dict(event.headers)  # type: ignore[arg-type]
            self.body = b""
        elif isinstance(event, DataReceived):
            self.body += event.data
            self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            assert int.from_bytes(self.body[1:5], "big") == len(self.body) - 5
            path, message = self.headers[":path"], self.body[5:]
            received = Received(path, self.headers, message, self.number)
            refusal = GrpcReply(8, "received message larger than max")
            return self._answer(event.stream_id, self.server.take(received, refusal))
        return True

    def _answer(self, stream: int, reply: GrpcReply) -> bool:
        if reply.hang:
            self.server.hang()
            return False
        if reply.reset is not None:
            self.state.reset_stream(stream, reply.reset)
            return True
        if reply.go_away:  # calls up to this one are answered all the same
            self.socket.sendall(self.state.data_to_send() + GoAwayFrame(last_stream_id=stream).serialize())
        headers = [(":status", reply.status), ("content-type", "application/grpc")]
        self.state.send_headers(stream, [*headers, *([("grpc-encoding", reply.encoding)] if reply.encoding else [])])
        body = bytes((bool(reply.encoding),)) + len(reply.body).to_bytes(4, "big") + reply.body
        if reply.close:  # in the middle
            self.state.send_data(stream, body[:3])
            self.socket.sendall(self.state.data_to_send())
            return False
        self.state.send_data(stream, body)
        trailers = [("grpc-message", reply.message)]
        if reply.code is not None:
            trailers.append(("grpc-status", str(reply.code)))
        if reply.details:
            trailers.append(("grpc-status-details-bin", b64encode(reply.details).decode().rstrip("=")))
        self.state.send_headers(stream, trailers, end_stream=True)
        return True
