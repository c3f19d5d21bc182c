"""Receivers that misbehave cost their own request and no more: bounded in time as a whole, and in bytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import repeat
from time import monotonic

import pytest
from hyperframe.frame import DataFrame, HeadersFrame, PingFrame, SettingsFrame
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from otel_distro.config import load
from otel_distro.exporter.grpc import GrpcTransport
from otel_distro.exporter.transport import Answer, HttpTransport, Result, Transport
from tests.exporter.server import OtlpServer, Reply

OK = b"HTTP/1.1 200 OK\r\n"
SETTINGS = SettingsFrame(0).serialize()
NO_ROOM = SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0}).serialize()
PING = PingFrame(0, b"12345678").serialize() * 1000
HEADERS = HeadersFrame(1, b"\x88", flags=["END_HEADERS"]).serialize()  # :status 200
DATA = DataFrame(1, b"x" * 1000).serialize()
BOMB = HeadersFrame(1, b"\x40\x01a\x7f\x81\x1e" + b"b" * 4000 + b"\xbe" * 12000, flags=["END_HEADERS"]).serialize()

Talk = Callable[[socket.socket], object]


@contextmanager
def talking(talk: Talk) -> Iterator[int]:
    """A server on this port that does as it likes with its connections; it reads what they begin with."""
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            with suppress(OSError):
                connection, _ = listening.accept()
                threading.Thread(target=once, args=(connection,), daemon=True).start()

    def once(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(200)
            if talk(connection) is not None:
                ended.wait()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def saying(*parts: bytes) -> Talk:
    """Say this, then nothing more, and keep the connection."""
    return lambda connection: connection.sendall(b"".join(parts)) or True


def endless(first: bytes, part: bytes) -> Talk:
    """Say this for ever, as fast as it is read."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(first)
        for each in repeat(part):
            connection.sendall(each)

    return talk


def slowly(first: bytes, part: bytes) -> Talk:
    """Say this for ever, now and then."""
    pause = threading.Event()

    def talk(connection: socket.socket) -> None:
        connection.sendall(first)
        for each in repeat(part):
            connection.sendall(each)
            pause.wait(0.05)

    return talk


def transport(protocol: str, port: int, scheme: str = "http") -> Transport:
    """To this port."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"{scheme}://127.0.0.1:{port}", "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    otlp = load(environ).otlp["logs"]
    return GrpcTransport(otlp, "logs") if protocol == "grpc" else HttpTransport(otlp)


def sent(protocol: str, talk: Talk, timeout: float, payload: bytes = b"payload") -> tuple[Answer, float]:
    """What comes of a request, and in how many seconds."""
    with talking(talk) as port:
        sending = transport(protocol, port)
        began = monotonic()
        answer = sending.send(payload, timeout)
        took = monotonic() - began
        sending.close()
    return answer, took


SLOW = {
    "a status line": ("http/protobuf", slowly(b"", b"H")),
    "header lines": ("http/protobuf", slowly(OK, b"a: b\r\n")),
    "an interim answer": ("http/protobuf", slowly(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
    "a frame": ("grpc", slowly(b"\0\x40\0\0\0\0\0\0\1", b"\0")),
    "pings": ("grpc", slowly(SETTINGS, PING[:17])),
    "data": ("grpc", slowly(SETTINGS + HEADERS, DATA[:5])),
}


@pytest.mark.parametrize("what", SLOW)
def test_a_slow_answer_ends_at_the_timeout(what: str) -> None:
    """The timeout is for the request as a whole: a byte now and then does not prolong it."""
    answer, took = sent(*SLOW[what], 0.4)
    assert answer.result is Result.RETRY
    assert "timed out" in answer.reason
    assert 0.3 < took < 2


ENDLESS = {
    "a header line": ("http/protobuf", endless(OK + b"a: ", b"b" * 1000)),
    "header lines": ("http/protobuf", endless(OK, b"a: b\r\n" * 100)),
    "interim answers": ("http/protobuf", endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100)),
    "noise": ("http/protobuf", endless(b"", b"\0" * 1000)),
    "noise to grpc": ("grpc", endless(b"", b"\xff" * 1000)),
    "pings": ("grpc", endless(SETTINGS, PING)),
    "data": ("grpc", endless(SETTINGS + HEADERS, DATA)),
    "data nobody asked for": ("grpc", endless(SETTINGS, DATA)),
    "a header that unpacks to megabytes": ("grpc", saying(SETTINGS, BOMB)),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_an_endless_answer_ends_by_its_size(what: str) -> None:
    """Long before the timeout, whatever it is that does not end."""
    answer, took = sent(*ENDLESS[what], 30)
    assert answer.result is Result.RETRY
    assert took < 5


AFTER_200 = {
    "too little": saying(OK, b"Content-Length: 1000\r\n\r\nnot all"),
    "slowly": slowly(OK + b"Content-Length: 1000\r\n\r\n", b"x"),
    "chunks, slowly": slowly(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "without end": endless(OK + b"\r\n", b"x" * 1000),
    "nonsense": saying(OK, b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n"),
    "cut off": lambda connection: connection.sendall(OK + b"Content-Length: 1000\r\n\r\nwords"),
}


@pytest.mark.parametrize("what", AFTER_200)
def test_a_status_is_an_answer(what: str) -> None:
    """What comes after a 200, or never comes, makes it no failure: sent again, the batch would be there twice."""
    answer, took = sent("http/protobuf", AFTER_200[what], 30)
    assert answer.result is Result.SUCCESS
    assert took < 5


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_connection_closed_before_the_answer_is_a_retry(protocol: str) -> None:
    """Nobody knows what became of the batch."""
    parts = [b"HTTP/1.1 20"] if protocol == "http/protobuf" else [SETTINGS, HEADERS, DATA]
    answer, _ = sent(protocol, lambda connection: connection.sendall(b"".join(parts)), 10)
    assert answer.result is Result.RETRY
    answer, _ = sent(protocol, lambda connection: None, 10)
    assert answer.result is Result.RETRY


def test_a_server_without_room_is_left_in_time() -> None:
    """Of HTTP/2, one that never opens its window; of HTTP, one that does not read."""
    answer, took = sent("grpc", saying(NO_ROOM), 0.4, b"x" * 200_000)
    assert (answer.result, took < 2) == (Result.RETRY, True)
    answer, took = sent("http/protobuf", lambda connection: True, 0.4, b"x" * 50_000_000)
    assert (answer.result, took < 2) == (Result.RETRY, True)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_handshake_that_hangs_is_left_in_time(protocol: str) -> None:
    """TLS too has to be done by the timeout."""
    with talking(lambda connection: True) as port:
        began = monotonic()
        assert transport(protocol, port, "https").send(b"payload", 0.4).result is Result.RETRY
        assert monotonic() - began < 2


def test_an_answer_before_the_whole_request_is_heard() -> None:
    """A server that says 413, reads no more and closes, is understood."""
    talk: Talk = lambda connection: connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")  # noqa: E731
    answer, _ = sent("http/protobuf", talk, 10, b"x" * 20_000_000)
    assert answer.result is Result.TOO_LARGE


def test_a_port_for_grpc_is_told() -> None:
    """The commonest mistake is named in words."""

    def talk(connection: socket.socket) -> bool:
        connection.sendall(SETTINGS)
        connection.shutdown(socket.SHUT_WR)
        return True

    answer, _ = sent("http/protobuf", talk, 10)
    assert answer.result is Result.RETRY
    assert "is that the port for grpc?" in answer.reason


PARTIAL = ExportLogsServiceResponse(partial_success={"rejected_log_records": 3, "error_message": "too\nold"})  # type: ignore[arg-type]
PROTOBUF = ("Content-Type", "application/x-protobuf")


@pytest.mark.parametrize("headers", [(PROTOBUF,), (PROTOBUF, ("Connection", "close"))])
def test_a_partial_success_is_told(server: OtlpServer, headers: tuple[tuple[str, str], ...]) -> None:
    """How many items the receiver did not take, and why; also where it closes the connection after it."""
    server.replies = [Reply(200, headers, PARTIAL.SerializeToString())]
    sending = transport("http/protobuf", server.port)
    expected = Answer(Result.SUCCESS, reason="too old", lost={"rejected": 3})
    assert [sending.send(b"payload", 5) for _ in range(2)] == [expected] * 2
    sending.close()


@pytest.mark.parametrize(
    ("kind", "body", "result"),
    [
        ("application/x-protobuf", b"\xff\xffnot protobuf", Result.SUCCESS),
        ("application/x-protobuf", b"\x0a\x0b\x08" + b"\xff" * 9 + b"\x01", Result.SUCCESS),
        ("application/json", b'{"partialSuccess":{}}', Result.SUCCESS),
        ("text/plain", b"thank you", Result.SUCCESS),
        ("text/html; charset=utf-8", b"Sign in", Result.FAILURE),
        ("", b"<!DOCTYPE html>", Result.FAILURE),
    ],
)
def test_strange_words_with_a_200(server: OtlpServer, kind: str, body: bytes, result: Result) -> None:
    """The status is believed whatever is said with it, but a web page is no receiver's answer."""
    server.replies = [Reply(200, (("Content-Type", kind),), body)]
    sending = transport("http/protobuf", server.port)
    answer = sending.send(b"payload", 5)
    assert (answer.result, answer.lost) == (result, {})
    sending.close()


def test_what_a_status_message_says_is_read(server: OtlpServer) -> None:
    """The Collector answers errors with a `google.rpc.Status`; that a body is too large it says with a 400."""
    server.replies = [
        Reply(400, (PROTOBUF,), b"\x08\x03\x12\x0eunexpected EOF"),
        Reply(400, (PROTOBUF,), b"\x08\x03\x12\x1ehttp: request body too large\n\x1b"),
    ]
    sending = transport("http/protobuf", server.port)
    answers = [sending.send(b"payload", 5) for _ in range(2)]
    assert [answer.result for answer in answers] == [Result.FAILURE, Result.TOO_LARGE]
    assert answers[0].reason.endswith(" answered 400 unexpected EOF")
    assert answers[1].reason.endswith(" answered 400 http: request body too large")
    sending.close()


def test_a_redirect_is_not_followed(server: OtlpServer) -> None:
    """Headers may hold secrets; where it would lead is told, without those of the address."""
    server.replies = [Reply(307, (("Location", "https://me:secret@other.example/v1?token=x"),)), Reply()]
    sending = transport("http/protobuf", server.port)
    answer = sending.send(b"payload", 5)
    assert answer.result is Result.FAILURE
    assert answer.reason.endswith("answered 307 (not followed: https://other.example/v1)")
    assert len(server.received) == 1
    sending.close()
