"""The HTTP transport against real servers: one connection, compression, TLS, and what each answer means."""

from __future__ import annotations

import socket
import threading
from email.utils import formatdate
from pathlib import Path
from time import monotonic, time
from typing import Any

import pytest

from otel_distro.config import load
from otel_distro.exporter.transport import HttpTransport, Result
from tests.exporter.conftest import Certificates
from tests.exporter.server import OtlpServer, Reply


def transport(url: str, **settings: Any) -> HttpTransport:
    """A transport of traces to this server."""
    otlp = load({"OTEL_EXPORTER_OTLP_ENDPOINT": url}).otlp["traces"]
    return HttpTransport(otlp._replace(**settings))


def test_one_connection_serves_all_requests(server: OtlpServer) -> None:
    """Requests follow each other on a connection that is kept alive, and are what OTLP/HTTP asks for."""
    sending = transport(server.url)
    assert [sending.send(b"payload", 5).result for _ in range(3)] == [Result.SUCCESS] * 3
    assert {(one.path, one.body, one.connection) for one in server.received} == {("/v1/traces", b"payload", 1)}
    assert server.received[0].headers["content-type"] == "application/x-protobuf"
    assert server.received[0].headers["user-agent"].startswith("otel-distro-python/")
    sending.close()


def test_a_connection_that_the_server_closed_is_opened_anew(server: OtlpServer) -> None:
    """A server that closes idle connections costs no batch and no retry."""
    server.replies = [Reply(close=True)]
    sending = transport(server.url)
    assert [sending.send(b"payload", 5).result for _ in range(3)] == [Result.SUCCESS] * 3
    assert [one.connection for one in server.received] == [1, 2, 3]
    sending.close()


def test_an_endless_answer_is_not_read(server: OtlpServer) -> None:
    """More than we want to know costs the connection, not the memory."""
    server.replies = [Reply(body=b"x" * 1_000_000)]
    sending = transport(server.url)
    assert [sending.send(b"payload", 5).result for _ in range(2)] == [Result.SUCCESS] * 2
    assert [one.connection for one in server.received] == [1, 2]
    sending.close()


@pytest.mark.parametrize("compression", ["gzip", "deflate", "none"])
def test_compression(server: OtlpServer, compression: str) -> None:
    """The body is packed as the setting says, and the header says so."""
    sending = transport(server.url, compression=compression)
    assert sending.send(b"payload" * 1000, 5).result is Result.SUCCESS
    (got,) = server.received
    assert got.headers.get("content-encoding", "none") == compression
    assert got.payload == b"payload" * 1000
    assert (len(got.body) < 1000) == (compression != "none")
    sending.close()


def test_headers_are_sent(server: OtlpServer) -> None:
    """The user's headers go with each request; the type of the body stays ours."""
    headers = (("authorization", "Bearer x="), ("user-agent", "mine"), ("content-type", "text/plain"), ("x", "\xe4"))
    sending = transport(server.url, headers=headers)
    sending.send(b"payload", 5)
    got = server.received[0].headers
    assert (got["authorization"], got["user-agent"], got["x"]) == ("Bearer x=", "mine", "\xe4")
    assert got["content-type"] == "application/x-protobuf"
    sending.close()


def test_credentials_of_the_url_are_sent_and_not_shown(server: OtlpServer) -> None:
    """User and password become Basic authorization; what is logged names neither."""
    server.replies = [Reply(400)]
    sending = transport(server.url.replace("//", "//me:s%40cret@"))
    answer = sending.send(b"payload", 5)
    assert server.received[0].headers["authorization"] == "Basic bWU6c0BjcmV0"
    assert "cret" not in answer.reason
    assert f"{server.url}/v1/traces (OTEL_EXPORTER_OTLP_ENDPOINT) answered 400" in answer.reason
    sending.close()


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/in"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "gopher://127.0.0.1:1"}, "the default of OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({}, "the default of OTEL_EXPORTER_OTLP_ENDPOINT"),
    ],
)
def test_the_setting_that_gave_the_endpoint_is_named(environ: dict[str, str], named: str) -> None:
    """The signal's own, the one for all, or neither: who reads the line knows where to look."""
    sending = HttpTransport(load(environ).otlp["traces"])
    sending._host, sending._port = "127.0.0.1", 1
    assert sending.send(b"payload", 5).reason.startswith(f"{sending.endpoint} ({named}): ")


def test_a_token_in_the_path_is_not_shown(server: OtlpServer) -> None:
    """Neither by us nor where the receiver repeats it."""
    server.replies = [Reply(404, body=b"no tenant has hush0hush1hush")]
    sending = HttpTransport(load({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{server.url}/hush0hush1hush"}).otlp["traces"])
    reason = sending.send(b"payload", 5).reason
    assert server.received[0].path == "/hush0hush1hush"
    assert reason == f"{server.url}/*** (OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) answered 404 no tenant has ***"
    sending.close()


def test_a_header_that_the_receiver_repeats_is_not_shown(server: OtlpServer) -> None:
    """Some receivers say which token they do not know; a log is no place for it."""
    server.replies = [Reply(401, body=b"no tenant of acme for token hush-hush-hush")]
    sending = transport(server.url, headers=(("authorization", "Bearer hush-hush-hush"), ("x-tenant", "acme")))
    reason = sending.send(b"payload", 5).reason
    assert "answered 401 no tenant of acme for token *** (OTEL_EXPORTER_OTLP_HEADERS)" in reason
    sending.close()


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (200, Result.SUCCESS),
        (202, Result.SUCCESS),
        (301, Result.FAILURE),
        (400, Result.FAILURE),
        (401, Result.FAILURE),
        (404, Result.FAILURE),
        (413, Result.TOO_LARGE),
        (429, Result.RETRY),
        (500, Result.FAILURE),
        (502, Result.RETRY),
        (503, Result.RETRY),
        (504, Result.RETRY),
    ],
)
def test_what_an_answer_means(server: OtlpServer, status: int, result: Result) -> None:
    """Retried is what the OTLP/HTTP specification calls retryable, and nothing else."""
    server.replies = [Reply(status, body=b"because\nof that")]
    sending = transport(server.url)
    answer = sending.send(b"payload", 5)
    assert answer.result is result
    assert ("because of that" in answer.reason) == (result is not Result.SUCCESS)
    sending.close()


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("7", 7, 7),
        ("0", 0, 0),
        ("in 250 seconds", 1, 251),
        ("-3", 0, 0),
        ("soon", 0, 0),
        ("9" * 30, 300, 300),
        ("\xb2", 0, 0),
    ],
)
def test_retry_after_is_read(server: OtlpServer, header: str, low: float, high: float) -> None:
    """Seconds or a date, never more than five minutes; nonsense is nothing."""
    if header == "in 250 seconds":  # a date, by the clock of this test and not of the collection
        header = formatdate(time() + 250, usegmt=True)
    server.replies = [Reply(503, (("Retry-After", header),))]
    sending = transport(server.url)
    assert low <= sending.send(b"payload", 5).retry_after <= high
    sending.close()


def test_no_server_is_a_retry() -> None:
    """A refused connection raises nothing and says where it went."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        answer = transport(f"http://127.0.0.1:{taken.getsockname()[1]}").send(b"payload", 5)
    assert answer.result is Result.RETRY
    assert "127.0.0.1" in answer.reason
    assert "refused" in answer.reason


@pytest.mark.parametrize(
    "url", ["http://no.such.host.invalid:4318", "http://127.0.0.1:1/with a space", "http://[::1]:1"]
)
def test_an_endpoint_that_leads_nowhere_is_a_retry(url: str) -> None:
    """Unknown hosts and paths that HTTP does not allow raise nothing."""
    assert transport(url).send(b"payload", 5).result is Result.RETRY


def test_a_server_that_hangs_is_left_in_time(server: OtlpServer) -> None:
    """The timeout ends the wait, and the next request has a new connection."""
    server.replies = [Reply(hang=True), Reply()]
    sending = transport(server.url)
    began = monotonic()
    assert sending.send(b"payload", 0.2).result is Result.RETRY
    assert monotonic() - began < 2
    assert sending.send(b"payload", 5).result is Result.SUCCESS
    assert [one.connection for one in server.received] == [1, 2]
    sending.close()


def test_a_server_that_talks_nonsense_is_a_retry() -> None:
    """What is no HTTP raises nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def talk() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"220 mail.example ESMTP\r\n")

        thread = threading.Thread(target=talk)
        thread.start()
        answer = transport(f"http://127.0.0.1:{listening.getsockname()[1]}").send(b"payload", 5)
        thread.join()
    assert answer.result is Result.RETRY


def test_tls_with_an_authority_of_one_s_own(certificates: Certificates) -> None:
    """A server whose certificate the named authority signed is trusted."""
    with OtlpServer(context=certificates.context()).running() as server:
        sending = transport(server.url, certificate=certificates.authority)
        assert sending.send(b"payload", 5).result is Result.SUCCESS
        sending.close()


def test_tls_without_trust_is_refused(certificates: Certificates) -> None:
    """A certificate that nobody vouches for gets no telemetry, and the reason is named."""
    with OtlpServer(context=certificates.context()).running() as server:
        answer = transport(server.url).send(b"payload", 5)
        assert answer.result is Result.RETRY
        assert "certificate verify failed" in answer.reason
        assert server.received == []


def test_a_client_certificate_is_shown(certificates: Certificates) -> None:
    """A server that asks for it gets the client's certificate; without one it takes nothing."""
    with OtlpServer(context=certificates.context(ask_client=True)).running() as server:
        sending = transport(
            server.url,
            certificate=certificates.authority,
            client_certificate=certificates.client,
            client_key=certificates.client_key,
        )
        assert sending.send(b"payload", 5).result is Result.SUCCESS
        sending.close()
        nameless = transport(server.url, certificate=certificates.authority)
        assert nameless.send(b"payload", 5).result is Result.RETRY
        assert len(server.received) == 1


def test_a_certificate_that_is_none_is_an_error(tmp_path: Path) -> None:
    """It is told when the transport is made, so that the setting can be named."""
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    for path in (broken, tmp_path / "absent.pem"):
        with pytest.raises(OSError, match=r"."):
            transport("https://127.0.0.1:1", certificate=path)
