"""One HTTP/2 connection that carries one gRPC call at a time: what was asked, what was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset, TrailersReceived
from h2.exceptions import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from h2.events import Event

    from otel_distro.exporter.connection import Connection

_READ = 65536
_HEADER = 9
_MAX_FRAME = 16384
_GOAWAY = 7


class Reply:
    """What came of one call."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        """Headers and trailers."""
        self.body = b""
        self.ended = False
        self.reset: int | None = None
        """The code with which the receiver gave up the stream."""

    def take(self, event: Event) -> None:
        """Note what happened on the call's stream."""
        if isinstance(event, (ResponseReceived, TrailersReceived)):
            self.headers.update((_text(name), _text(value)) for name, value in event.headers or ())
        elif isinstance(event, DataReceived):
            self.body += event.data or b""
        elif isinstance(event, StreamReset):
            self.reset = int(event.error_code or 0)
        self.ended = self.ended or isinstance(event, (StreamEnded, StreamReset))


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


class Http2:
    """Calls on one connection, one after the other; what fails raises OSError, and the connection is of no more use."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._received = bytearray()
        self._going_away = False
        self._stream = 0
        self._state = H2Connection(H2Configuration(client_side=True))
        self._state.initiate_connection()

    def usable(self) -> bool:
        """Whether the other side still wants calls; answers the pings that came meanwhile."""
        try:
            while (data := self.connection.ready(_READ)) is not None:
                if not data:
                    return False
                for _ in self._events(data):
                    pass
            self.connection.sendall(self._state.data_to_send())
        except (OSError, ProtocolError):
            return False
        return not self._going_away

    def call(self, headers: Iterable[tuple[bytes, bytes]], message: bytes) -> Reply:
        """Send a request, all of it unless the answer comes first, and wait for its answer."""
        reply = Reply()
        left = memoryview(message)
        try:
            self._stream = self._state.get_next_available_stream_id()
            self._state.send_headers(self._stream, headers)
            while not reply.ended:
                left = self._send(left)
                data = self.connection.recv(_READ)
                if not data:
                    raise ConnectionError("it closed the connection")
                for event in self._events(data):
                    if getattr(event, "stream_id", None) == self._stream:
                        reply.take(event)
            self.connection.sendall(self._state.data_to_send())
        except ProtocolError as error:
            raise OSError(f"it does not keep to HTTP/2: {str(error) or type(error).__name__}") from error
        self._going_away = self._going_away or bool(left)
        return reply

    def _send(self, left: memoryview) -> memoryview:
        """Send as much as the other side's window has room for; returns the rest."""
        while left:
            room = min(self._state.local_flow_control_window(self._stream), self._state.max_outbound_frame_size)
            if room <= 0:
                break
            self._state.send_data(self._stream, left[:room], end_stream=len(left) <= room)
            left = left[room:]
        self.connection.sendall(self._state.data_to_send())
        return left

    def _events(self, data: bytes) -> Iterator[Event]:
        """What the frames say that are complete now, one at a time."""
        self._received += data
        while len(self._received) >= _HEADER:
            size = int.from_bytes(self._received[:3], "big")
            if size > _MAX_FRAME:
                raise OSError("it does not speak HTTP/2: is that the port for http/protobuf?")
            if len(self._received) < _HEADER + size:
                return
            frame = bytes(self._received[: _HEADER + size])
            del self._received[: _HEADER + size]
            if frame[3] == _GOAWAY:
                self._go_away(frame[_HEADER:])
                continue
            for event in self._state.receive_data(frame):
                if isinstance(event, DataReceived) and event.flow_controlled_length:
                    self._state.acknowledge_received_data(event.flow_controlled_length, event.stream_id or 0)
                yield event

    def _go_away(self, body: bytes) -> None:
        """No further calls; those up to the last stream are still answered (h2 itself would take it for the end)."""
        self._going_away = True
        if int.from_bytes(body[:4], "big") & 0x7FFFFFFF < self._stream:
            raise ConnectionError("it goes away")
