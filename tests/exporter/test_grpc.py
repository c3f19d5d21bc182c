"""The gRPC transport against real servers: one connection, compression, TLS, and what each answer means."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import DebugInfo, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otel_distro.config import load
from otel_distro.exporter.grpc import GrpcTransport
from otel_distro.exporter.transport import Answer, Result
from tests.exporter.conftest import Certificates
from tests.exporter.grpc_server import GrpcReply, GrpcServer
from tests.exporter.server import OtlpServer

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture
def grpc_server() -> Iterator[GrpcServer]:
    """A collector on a free port."""
    with GrpcServer().running() as running:
        yield running


def transport(url: str, signal: str = "traces", **settings: Any) -> GrpcTransport:
    """A transport to this server."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    return GrpcTransport(load(environ).otlp[signal]._replace(**settings), signal)


def answer(server: GrpcServer, reply: GrpcReply) -> Answer:
    """What comes of this reply."""
    server.replies = [reply]
    sending = transport(server.url)
    found = sending.send(b"payload", 5)
    sending.close()
    return found


def details(*messages: Any) -> bytes:
    """A `google.rpc.Status` with these details."""
    packed = [AnyMessage() for _ in messages]
    for one, message in zip(packed, messages, strict=True):
        one.Pack(message)
    return Status(code=14, message="busy", details=packed).SerializeToString()


def retry_in(seconds: int, nanos: int = 0) -> RetryInfo:
    """A server's wish."""
    return RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos))


def test_one_connection_serves_all_calls(grpc_server: GrpcServer) -> None:
    """Calls follow each other on a connection that is kept, and are what OTLP/gRPC asks for."""
    sending = transport(grpc_server.url)
    assert [sending.send(b"payload", 5).result for _ in range(3)] == [Result.SUCCESS] * 3
    assert {(one.path, one.body, one.connection) for one in grpc_server.received} == {(EXPORT, b"payload", 1)}
    headers = grpc_server.received[0].headers
    assert (headers["content-type"], headers["te"]) == ("application/grpc", "trailers")
    assert headers["user-agent"].startswith("otel-distro-python/")
    assert 4000 < int(headers["grpc-timeout"].rstrip("m")) <= 5000
    sending.close()


@pytest.mark.parametrize(("signal", "service"), [("traces", "trace"), ("metrics", "metrics"), ("logs", "logs")])
def test_each_signal_has_its_service(grpc_server: GrpcServer, signal: str, service: str) -> None:
    """Whatever path the endpoint has."""
    sending = transport(f"{grpc_server.url}/ignored", signal)
    assert sending.send(b"payload", 5).result is Result.SUCCESS
    assert grpc_server.received[0].path.startswith(f"/opentelemetry.proto.collector.{service}.v1.")
    sending.close()


@pytest.mark.parametrize("window", [1000, 65535, 1 << 20])
def test_a_large_request_waits_for_the_server_s_window(window: int) -> None:
    """Nothing is sent that the server has no room for, and all of it arrives."""
    with GrpcServer(window=window).running() as server:
        sending = transport(server.url)
        payload = os.urandom(300_000)
        assert [sending.send(payload, 10).result for _ in range(2)] == [Result.SUCCESS] * 2
        assert [one.body == payload for one in server.received] == [True, True]
        assert server.connections == 1
        sending.close()


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_compression(grpc_server: GrpcServer, compression: str) -> None:
    """The message is packed as the setting says, and so may be the answer."""
    partial = ExportTraceServiceResponse()
    partial.partial_success.rejected_spans = 2
    packed = gzip.compress(partial.SerializeToString())
    grpc_server.replies = [GrpcReply(body=packed, encoding="gzip")]
    sending = transport(grpc_server.url, compression=compression)
    assert sending.send(b"payload" * 1000, 5).lost == {"rejected": 2}
    (got,) = grpc_server.received
    assert got.headers.get("grpc-encoding", "none") == compression
    assert got.payload == b"payload" * 1000
    assert (len(got.body) < 1000) == (compression != "none")
    sending.close()


def test_headers_are_metadata(grpc_server: GrpcServer) -> None:
    """The user's headers go with each call, but those that HTTP/2 or gRPC need for themselves."""
    headers = (("authorization", "Bearer x="), ("user-agent", "mine"), ("x", "\xe4"))
    refused = (("content-type", "text/plain"), ("te", "x"), ("connection", "close"), ("host", "x"), ("grpc-x", "1"))
    sending = transport(grpc_server.url.replace("//", "//me:s%40cret@"), headers=(*headers, *refused))
    assert sending.send(b"payload", 5).result is Result.SUCCESS
    got = grpc_server.received[0].headers
    assert {name: got[name] for name, _ in headers} == dict(headers)
    assert (got["content-type"], got["te"], got[":authority"]) == (
        "application/grpc",
        "trailers",
        f"127.0.0.1:{grpc_server.port}",
    )
    assert not {"connection", "host", "grpc-x"} & set(got)
    sending.close()


def test_credentials_of_the_url_are_sent_and_not_shown(grpc_server: GrpcServer) -> None:
    """User and password become Basic authorization; what is logged names neither."""
    grpc_server.replies = [GrpcReply(16, "no")]
    sending = transport(grpc_server.url.replace("//", "//me:s%40cret@"))
    reason = sending.send(b"payload", 5).reason
    assert grpc_server.received[0].headers["authorization"] == "Basic bWU6c0BjcmV0"
    assert (
        reason
        == f"{grpc_server.url} (OTEL_EXPORTER_OTLP_ENDPOINT) answered UNAUTHENTICATED no (OTEL_EXPORTER_OTLP_HEADERS)"
    )
    sending.close()


def test_a_header_that_the_receiver_repeats_is_not_shown(grpc_server: GrpcServer) -> None:
    """Some receivers say which token they do not know; a log is no place for it."""
    grpc_server.replies = [GrpcReply(16, "no token hush-hush-hush")]
    sending = transport(grpc_server.url, headers=(("authorization", "Bearer hush-hush-hush"),))
    reason = sending.send(b"payload", 5).reason
    assert reason.endswith("answered UNAUTHENTICATED no token *** (OTEL_EXPORTER_OTLP_HEADERS)")
    sending.close()


RETRYABLE = {1: "CANCELLED", 4: "DEADLINE_EXCEEDED", 10: "ABORTED", 11: "OUT_OF_RANGE", 14: "UNAVAILABLE"}
RETRYABLE |= {15: "DATA_LOSS"}


@pytest.mark.parametrize("code", [*range(1, 17), 99])
def test_what_a_code_means(grpc_server: GrpcServer, code: int) -> None:
    """Retried is what the OTLP specification calls retryable; RESOURCE_EXHAUSTED alone means: too large."""
    found = answer(grpc_server, GrpcReply(code, "because%20of%0Athat%1B"))
    other = Result.TOO_LARGE if code == 8 else Result.FAILURE
    assert found.result is (Result.RETRY if code in RETRYABLE else other)
    assert f"{RETRYABLE.get(code, '')} because of that" in found.reason
    assert ("OTEL_EXPORTER_OTLP_HEADERS" in found.reason) == (code in {7, 16})


def test_a_message_that_is_too_large_is_not_sent_again_as_it_is(grpc_server: GrpcServer) -> None:
    """Some servers answer OUT_OF_RANGE, which else is retryable."""
    found = answer(grpc_server, GrpcReply(11, "decoded message length too large: found 5 bytes"))
    assert found.result is Result.TOO_LARGE


@pytest.mark.parametrize(
    ("code", "told", "result", "wait"),
    [
        (14, details(retry_in(7, 500_000_000)), Result.RETRY, 7.5),
        (14, details(DebugInfo(detail="x"), retry_in(7)), Result.RETRY, 7),
        (14, details(retry_in(10**9)), Result.RETRY, 300),
        (14, details(retry_in(-5)), Result.RETRY, 0),
        (14, details(RetryInfo()), Result.RETRY, 0),
        (14, b"\xff\xff nonsense", Result.RETRY, 0),
        (8, details(retry_in(7)), Result.RETRY, 7),
        (8, details(retry_in(0)), Result.RETRY, 0),
        (3, details(retry_in(7)), Result.FAILURE, 0),
    ],
)
def test_retry_info_is_honoured(grpc_server: GrpcServer, code: int, told: bytes, result: Result, wait: float) -> None:
    """The wait that the server asks for, up to five minutes; it makes RESOURCE_EXHAUSTED retryable."""
    found = answer(grpc_server, GrpcReply(code, details=told))
    assert (found.result, found.retry_after) == (result, wait)


@pytest.mark.parametrize(
    ("status", "result"),
    [("401", Result.FAILURE), ("404", Result.FAILURE), ("429", Result.RETRY), ("503", Result.RETRY)],
)
def test_a_proxy_s_answer_is_understood(grpc_server: GrpcServer, status: str, result: Result) -> None:
    """Where the code in the trailers says nothing, that of HTTP does."""
    found = answer(grpc_server, GrpcReply(status=status, code=None))
    assert (found.result, f"HTTP {status}" in found.reason) == (result, True)


def test_a_server_that_goes_away_still_answers(grpc_server: GrpcServer) -> None:
    """A call in flight while the server restarts is answered, the next has a connection of its own; none is doubled."""
    grpc_server.replies = [GrpcReply(go_away=True)]
    sending = transport(grpc_server.url)
    assert [sending.send(b"payload", 5).result for _ in range(3)] == [Result.SUCCESS] * 3
    assert [one.connection for one in grpc_server.received] == [1, 2, 3]
    sending.close()


def test_a_connection_that_the_server_closed_is_opened_anew() -> None:
    """A server that restarted costs no batch and no retry."""
    with GrpcServer().running() as server:
        sending = transport(server.url)
        assert sending.send(b"payload", 5).result is Result.SUCCESS
    sending._http2.connection._socket.shutdown(socket.SHUT_RD)  # type: ignore[union-attr]
    with GrpcServer(server.port).running() as server:
        assert sending.send(b"payload", 5).result is Result.SUCCESS
        assert len(server.received) == 1
    sending.close()


@pytest.mark.parametrize("reply", [GrpcReply(reset=2), GrpcReply(close=True)])
def test_no_answer_is_a_retry(grpc_server: GrpcServer, reply: GrpcReply) -> None:
    """A stream given up or a connection closed in the middle of an answer says nothing of what became of the batch."""
    assert answer(grpc_server, reply).result is Result.RETRY


def test_no_server_is_a_retry() -> None:
    """A refused connection raises nothing and says where it went."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = transport(f"http://127.0.0.1:{taken.getsockname()[1]}").send(b"payload", 5)
    assert found.result is Result.RETRY
    assert "127.0.0.1" in found.reason
    assert "refused" in found.reason


@pytest.mark.parametrize("url", ["http://no.such.host.invalid:4317", f"http://{'x' * 80}:1", "http://[::1]:1"])
def test_an_endpoint_that_leads_nowhere_is_a_retry(url: str) -> None:
    """Unknown hosts, and names that can't be one, raise nothing."""
    assert transport(url).send(b"payload", 5).result is Result.RETRY


def test_a_server_that_hangs_is_left_in_time(grpc_server: GrpcServer) -> None:
    """The timeout ends the wait, and the next call has a new connection."""
    grpc_server.replies = [GrpcReply(hang=True), GrpcReply()]
    sending = transport(grpc_server.url)
    began = monotonic()
    assert sending.send(b"payload", 0.2).result is Result.RETRY
    assert monotonic() - began < 2
    assert sending.send(b"payload", 5).result is Result.SUCCESS
    assert [one.connection for one in grpc_server.received] == [1, 2]
    sending.close()


def test_a_port_for_http_is_told(server: OtlpServer) -> None:
    """The commonest mistake is named in words."""
    found = transport(server.url).send(b"payload", 5)
    assert found.result is Result.RETRY
    assert "is that the port for http/protobuf?" in found.reason


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of forking beside threads
def test_a_forked_child_has_a_connection_of_its_own(grpc_server: GrpcServer) -> None:
    """The parent's goes on, and nothing that the child does is heard on it."""
    sending = transport(grpc_server.url)
    assert sending.send(b"payload", 5).result is Result.SUCCESS
    child = os.fork()
    if not child:
        sending.reset()
        os._exit(sending.send(b"payload", 5).result is not Result.SUCCESS)
    assert os.waitpid(child, 0)[1] == 0
    assert sending.send(b"payload", 5).result is Result.SUCCESS
    assert [one.connection for one in grpc_server.received] == [1, 2, 1]
    sending.close()


def test_tls_with_an_authority_of_one_s_own(certificates: Certificates) -> None:
    """A server whose certificate the named authority signed is trusted, and is shown ours when it asks."""
    more = {"client_certificate": certificates.client, "client_key": certificates.client_key}
    with GrpcServer(context=certificates.context(ask_client=True)).running() as server:
        sending = transport(server.url, certificate=certificates.authority, **more)
        assert [sending.send(b"payload", 5).result for _ in range(2)] == [Result.SUCCESS] * 2
        sending.close()
        nameless = transport(server.url, certificate=certificates.authority)
        assert nameless.send(b"payload", 5).result is Result.RETRY
        assert [one.connection for one in server.received] == [1, 1]


def test_tls_without_trust_is_refused(certificates: Certificates) -> None:
    """A certificate that nobody vouches for gets no telemetry, and the reason is named."""
    with GrpcServer(context=certificates.context()).running() as server:
        found = transport(server.url).send(b"payload", 5)
        assert found.result is Result.RETRY
        assert "certificate verify failed" in found.reason
        assert server.received == []


def test_partial_success_is_told(grpc_server: GrpcServer) -> None:
    """How many items the receiver did not take, and why."""
    partial = ExportTraceServiceResponse()
    partial.partial_success.rejected_spans = 3
    partial.partial_success.error_message = "too old"
    found = answer(grpc_server, GrpcReply(body=partial.SerializeToString()))
    assert found == Answer(Result.SUCCESS, reason="too old", lost={"rejected": 3})


SERVICE = """
import sys
from concurrent.futures import ThreadPoolExecutor
import grpc

class Service(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(self.export)

    def export(self, request, context):
        if request == b"busy":
            context.abort(grpc.StatusCode.UNAVAILABLE, "an \\u00e4")
        return b""

server = grpc.server(ThreadPoolExecutor(1), handlers=[Service()])
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
sys.stdin.read()
"""


def test_grpc_s_own_server_understands() -> None:
    """As does the Collector, in tests/e2e."""
    command = [sys.executable, "-c", SERVICE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        sending = transport(f"http://127.0.0.1:{int(process.stdout.readline())}")
        assert sending.send(os.urandom(3_000_000), 10) == Answer(Result.SUCCESS)
        assert sending.send(b"busy", 10).reason.endswith("answered UNAVAILABLE an ä")
        assert "RESOURCE_EXHAUSTED" in sending.send(os.urandom(5_000_000), 10).reason
        assert sending.send(b"again", 10) == Answer(Result.SUCCESS)
        sending.close()
        process.stdin.close()
