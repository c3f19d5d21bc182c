"""The sender: in order, retried, bounded, counted; one line when it fails, one when it works again; always in time."""

from __future__ import annotations

import socket
import threading
from time import monotonic
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otel_distro.config import load
from otel_distro.exporter import deadline
from otel_distro.exporter.backlog import Batch
from otel_distro.exporter.grpc import GrpcTransport
from otel_distro.exporter.sender import Sender
from otel_distro.exporter.split import SplittingTransport
from otel_distro.exporter.transport import Answer, HttpTransport, Result
from tests.e2e.waiting import wait_for
from tests.exporter.grpc_server import GrpcServer
from tests.exporter.requests import Kept
from tests.exporter.server import OtlpServer, Reply
from tests.exporter.test_split import with_giants

RETRY = Answer(Result.RETRY, reason="later")
FAILURE = Answer(Result.FAILURE, reason="never")
SUCCESS = Answer(Result.SUCCESS)


def batch(payload: bytes, items: int = 1) -> Batch:
    """A batch of this many items."""
    return Batch(payload, items, len(payload))


def to(server: OtlpServer, **more: Any) -> Sender:
    """A sender of traces to this server."""
    otlp = load({"OTEL_EXPORTER_OTLP_ENDPOINT": server.url}).otlp["traces"]
    return Sender("traces", HttpTransport(otlp), more.get("max_bytes", 1 << 20), more.get("timeout", 10))


def test_batches_leave_in_order(server: OtlpServer) -> None:
    """One after the other, as they were put."""
    sender = to(server)
    for number in range(20):
        sender.put(batch(b"%d" % number))
    assert sender.flush(monotonic() + 10)
    assert [one.body for one in server.received] == [b"%d" % number for number in range(20)]
    assert (sender.exports, sender.dropped, sender.waiting_bytes) == ({"success": 20}, {}, 0)
    sender.shutdown(monotonic() + 1)


def test_nothing_put_starts_nothing(server: OtlpServer) -> None:
    """Flush and shutdown of an unused sender are at once true and done, without a thread."""
    sender = to(server)
    before = threading.active_count()
    assert sender.flush(monotonic() + 10)
    sender.shutdown(monotonic() + 10)
    assert threading.active_count() == before


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_server_gets_the_batch_again(server: OtlpServer, status: int, lines: list[str]) -> None:
    """The same batch is sent until it is taken; one line says that it failed, one that it works again."""
    server.replies = [Reply(status, (("Retry-After", "0"),)), Reply(status), Reply()]
    sender = to(server)
    sender.put(batch(b"one", 3))
    assert sender.flush(monotonic() + 10)
    assert [one.body for one in server.received] == [b"one"] * 3
    assert (sender.exports, sender.dropped) == ({"retry": 2, "success": 1}, {})
    wait_for(lambda: len(lines) == 2, lambda: f"two lines, not {lines}", 5)
    assert "can't be delivered" in lines[0]
    assert str(status) in lines[0]
    assert lines[1] == "telemetry is delivered again"
    sender.shutdown(monotonic() + 1)


def test_retry_after_is_honoured(server: OtlpServer) -> None:
    """The next attempt comes when the server said, not before."""
    server.replies = [Reply(429, (("Retry-After", "1"),)), Reply()]
    sender = to(server)
    sender.put(batch(b"one"))
    first, second = server.wait(2)
    assert 1 <= second.time - first.time < 5
    sender.shutdown(monotonic() + 1)


def test_what_is_refused_is_counted_and_not_sent_again(server: OtlpServer, lines: list[str]) -> None:
    """400 costs the batch and one line; the next ones go on."""
    server.replies = [Reply(400, body=b"no"), Reply(400, body=b"no"), Reply()]
    sender = to(server)
    for items in (5, 6, 7):
        sender.put(batch(b"some", items))
    assert sender.flush(monotonic() + 10)
    assert len(server.received) == 3
    assert (sender.exports, sender.dropped) == ({"failure": 2, "success": 1}, {"refused": 11})
    assert [line for line in lines if "answered 400 no" in line] == lines[:1]
    sender.shutdown(monotonic() + 1)


def test_what_is_taken_in_part_is_counted(server: OtlpServer, lines: list[str]) -> None:
    """By cause, never more than there was; one line has the receiver's words."""
    more = ExportTraceServiceResponse(partial_success={"rejected_spans": 99, "error_message": "too old"})  # type: ignore[arg-type]
    server.replies = [Reply(200, (("Content-Type", "application/x-protobuf"),), more.SerializeToString())]
    sender = to(server)
    for items in (5, 6):
        sender.put(batch(b"some", items))
    assert sender.flush(monotonic() + 10)
    assert (sender.exports, sender.dropped) == ({"success": 2}, {"rejected": 11})
    assert lines == ["traces are delivered, but not all of them: too old"]
    sender.shutdown(monotonic() + 1)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_what_is_too_large_is_sent_in_pieces(protocol: str, lines: list[str]) -> None:
    """Each item arrives once, but the one that is too large by itself, which is counted; the next batch goes on."""
    kind = GrpcServer if protocol == "grpc" else OtlpServer
    with kind(limit=5_000).running() as server:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
        otlp = load(environ).otlp["traces"]
        transport = GrpcTransport(otlp, "traces") if protocol == "grpc" else HttpTransport(otlp)
        sender = Sender("traces", SplittingTransport(transport, "traces"), 1 << 20, 10)
        payload = with_giants(200, {77})
        sender.put(Batch(payload, 200, len(payload)))
        sender.put(Batch(with_giants(1, set()), 1, 50))
        assert sender.flush(monotonic() + 10)
        numbers = [span.start_time_unix_nano for span in server.spans()]
        assert numbers == [*(number for number in range(1, 201) if number != 77), 1]
        assert (sender.exports, sender.dropped) == ({"success": 2}, {"too_large": 1})
        assert len(lines) == 1
        sender.shutdown(monotonic() + 1)


def test_an_endpoint_that_fails_now_and_then_is_no_storm_of_lines(lines: list[str]) -> None:
    """Within a minute there is one complaint, however often it changes."""
    sender = Sender("traces", Kept(*[FAILURE, SUCCESS] * 50), 1 << 20, 10)
    for _ in range(100):
        sender.put(batch(b"some"))
    assert sender.flush(monotonic() + 10)
    assert len(lines) == 2
    sender.shutdown(monotonic() + 1)


def test_a_collector_that_is_down_costs_bounded_memory(lines: list[str]) -> None:
    """The newest batches wait, the oldest are dropped and counted; one line; and all is sent when it comes back."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        otlp = load({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}).otlp["traces"]
        sender = Sender("traces", HttpTransport(otlp), 10_000, 10)
        for number in range(100):
            sender.put(batch(b"%03d" % number + b"x" * 997, 2))
        assert not sender.flush(monotonic() + 0.5)
        assert sender.waiting_bytes <= 10_000
        assert 180 <= sender.dropped["queue_full"] <= 184
        assert len(lines) == 1
        assert "OTEL_EXPORTER_OTLP_ENDPOINT" in lines[0]
    with OtlpServer(port).running() as server:
        assert sender.flush(monotonic() + 10)
        assert [one.body[:3] for one in server.received][-9:] == [b"%03d" % number for number in range(91, 100)]
    assert lines[1:] == ["telemetry is delivered again"]
    sender.shutdown(monotonic() + 1)


def test_the_batch_in_flight_is_not_dropped_for_a_new_one(server: OtlpServer) -> None:
    """What is being sent while the queue overflows is counted once: as sent."""
    server.replies = [Reply(hang=True)]
    sender = to(server, max_bytes=10, timeout=0.3)
    sender.put(batch(b"0123456789"))
    server.wait(1)
    server.replies = [Reply()]
    for number in (b"a", b"b", b"c"):
        sender.put(batch(number * 10))
    assert sender.flush(monotonic() + 10)
    assert sender.dropped == {"queue_full": 2}
    assert [one.body[:1] for one in server.received] == [b"0", b"0", b"c"]
    sender.shutdown(monotonic() + 1)


def test_one_batch_larger_than_the_queue_is_still_sent(server: OtlpServer) -> None:
    """The bound is about what waits besides."""
    sender = to(server, max_bytes=10)
    sender.put(batch(b"x" * 1000))
    assert sender.flush(monotonic() + 10)
    assert (len(server.received), sender.dropped) == (1, {})
    sender.shutdown(monotonic() + 1)


@pytest.mark.parametrize("reply", [Reply(hang=True), Reply(503), Reply(503, (("Retry-After", "60"),))])
def test_flush_and_shutdown_end_within_their_deadline(server: OtlpServer, reply: Reply) -> None:
    """Whatever the server does, nobody waits longer than was said; what is left is counted."""
    server.replies = [reply]
    sender = to(server)
    for _ in range(3):
        sender.put(batch(b"some", 2))
    server.wait(1)
    began = monotonic()
    assert not sender.flush(began + 0.3)
    sender.shutdown(began + 0.6)
    assert 0.5 < monotonic() - began < 2
    assert (sender.dropped["shutdown"], sender.waiting_bytes) == (6, 0)


def test_after_a_shutdown_nothing_is_kept() -> None:
    """A late batch is counted and forgotten."""
    sender = Sender("traces", Kept(), 1 << 20, 10)
    sender.shutdown(monotonic() + 1)
    sender.put(batch(b"late", 4))
    assert (sender.dropped, sender.waiting_bytes) == ({"shutdown": 4}, 0)


def test_the_connection_is_closed_at_the_end() -> None:
    """The sending thread lets go of it, and ends."""
    transport = Kept()
    sender = Sender("traces", transport, 1 << 20, 10)
    sender.put(batch(b"some"))
    thread = sender._thread
    assert thread is not None
    sender.shutdown(monotonic() + 10)
    thread.join(10)
    assert (thread.is_alive(), transport.counts["close"]) == (False, 1)


def test_a_transport_that_raises_costs_the_batch_only(lines: list[str]) -> None:
    """A bug of ours is logged once, the batch is counted, and the sender goes on (it does not spin)."""

    class Broken(Kept):
        def send(self, payload: Any, timeout: float) -> Answer:
            super().send(payload, timeout)
            raise ValueError(payload)

    transport = Broken()
    sender = Sender("traces", transport, 1 << 20, 10)
    for _ in range(3):
        sender.put(batch(b"some", 2))
    assert sender.flush(monotonic() + 10)
    assert (len(transport.payloads), sender.dropped) == (3, {"refused": 6})
    assert len(lines) <= 2
    sender.shutdown(monotonic() + 1)


def test_backoff_doubles_up_to_half_a_minute() -> None:
    """Without a word of the server: 1, 2, 4, 8, 16, 30 and 30 seconds."""
    sender = Sender("traces", Kept(RETRY), 1 << 20, 10)
    sender._pause = lambda *_: None  # type: ignore[method-assign]
    sender._queue.append(batch(b"some"))
    waits, backoff = [], 0.0
    for _ in range(7):
        backoff = sender._send_first(backoff)
        waits.append(backoff)
    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_a_reset_forgets_all(server: OtlpServer) -> None:
    """As in a forked child: nothing waits, nothing is counted, and the connection of before is not used."""
    server.replies = [Reply(), Reply(hang=True), Reply()]
    sender = to(server, timeout=60)  # the old thread, which a forked child has not, says nothing more
    sender.put(batch(b"one"))
    assert sender.flush(monotonic() + 10)
    sender.put(batch(b"two"))
    server.wait(2)
    old = sender._thread
    sender.reset()
    assert (sender.exports, sender.dropped, sender.waiting_bytes) == ({}, {}, 0)
    sender.put(batch(b"three"))
    assert sender.flush(monotonic() + 10)
    assert {one.body: one.connection for one in server.received} == {b"one": 1, b"two": 1, b"three": 2}
    sender.shutdown(monotonic() + 1)
    assert old is not sender._thread


def test_what_is_discarded_is_not_sent(server: OtlpServer) -> None:
    """Only a batch in flight may still arrive; what comes later is sent again."""
    server.replies = [Reply(hang=True)]
    sender = to(server, timeout=0.2)
    sender.put(batch(b"in flight"))
    server.wait(1)
    sender.put(batch(b"waiting", 5))
    server.replies = [Reply()]
    sender.discard()
    sender.put(batch(b"later"))
    assert sender.flush(monotonic() + 10)
    assert [one.body for one in server.received] == [b"in flight", b"in flight", b"later"]
    assert sender.dropped == {"shutdown": 5}
    sender.shutdown(monotonic() + 1)


def test_without_a_thread_the_flush_sends(server: OtlpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the interpreter's end no thread can be started any more (Python 3.12): the last flush does it itself."""

    class Refused(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(deadline, "Thread", Refused)
    server.replies = [Reply(503), Reply()]
    sender = to(server)
    sender.put(batch(b"one"))
    assert sender.flush(monotonic() + 10)
    sender.shutdown(monotonic() + 1)
    assert [one.body for one in server.received] == [b"one", b"one"]
