"""The sender with a spool: what a real server does not take waits on disk, and nothing of it is lost or sent twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep, time
from typing import Any

import pytest

from otel_distro.config import load
from otel_distro.exporter.backlog import Batch
from otel_distro.exporter.frame import Frame
from otel_distro.exporter.sender import Sender
from otel_distro.exporter.spool import Limits, Spool
from otel_distro.exporter.transport import Answer, HttpTransport, Result
from tests.e2e.server import no_server
from tests.e2e.waiting import wait_for
from tests.exporter.requests import Kept
from tests.exporter.server import OtlpServer, Reply

RETRY = Answer(Result.RETRY, reason="later")


def batch(payload: bytes, items: int = 1) -> Batch:
    """A batch of this many items."""
    return Batch(payload, items, len(payload))


def bodies(server: OtlpServer) -> list[bytes]:
    """What came, in order."""
    return [one.body for one in server.received]


class Senders:
    """Senders with spools in one directory; those that are left at the end are shut down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: list[Sender] = []

    def to(self, port: int, signal: str = "traces", **more: Any) -> Sender:
        """A sender to this port of loopback."""
        otlp = load({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}).otlp[signal]
        return self.by(HttpTransport(otlp), signal, **more)

    def by(self, transport: Any, signal: str = "traces", **more: Any) -> Sender:
        """A sender by this transport."""
        limits = Limits(more.get("spool_bytes", 1 << 24), 3600, more.get("rate", 1e9))
        spool = Spool(self.folder, signal, "here", limits)
        sender = Sender(signal, transport, more.get("max_bytes", 1 << 20), more.get("timeout", 10), spool)
        self._made.append(sender)
        return sender

    def end(self) -> None:
        """End all threads."""
        for sender in self._made:
            sender.shutdown(monotonic() + 1)


@pytest.fixture
def senders(tmp_path: Path) -> Iterator[Senders]:
    """They share one directory."""
    made = Senders(tmp_path)
    yield made
    made.end()


def spooled(sender: Sender) -> Spool:
    """The spool of a sender."""
    assert sender.spool is not None
    return sender.spool


def waits(sender: Sender, size: int) -> None:
    """Wait until nothing is in memory and so many bytes of payload, and more, are on disk."""
    wait_for(
        lambda: not sender.waiting_bytes and spooled(sender).waiting_bytes >= size,
        lambda: f"{size} bytes on disk, not {sender.waiting_bytes}, {spooled(sender).waiting_bytes}",
        10,
    )


def test_while_the_collector_is_away_batches_wait_on_disk(senders: Senders, lines: list[str]) -> None:
    """Nothing is left in memory, nothing is lost; they leave in order when it is back; three lines tell it."""
    with no_server() as port:
        sender = senders.to(port)
        for number in range(50):
            sender.put(batch(b"%03d" % number, 2))
        waits(sender, 150)
        assert spooled(sender).waiting_files == 1
    with OtlpServer(port).running() as server:
        assert sender.flush(monotonic() + 10)
    assert bodies(server) == [b"%03d" % number for number in range(50)]
    assert (sender.dropped, sender.exports["success"]) == ({"unreadable": 0}, 50)
    assert "can't be delivered and waits in" in lines[0]
    assert lines[1:] == [
        "telemetry is delivered again, what waits on disk follows",
        "telemetry that waited on disk is delivered",
    ]


def test_without_a_flush_they_leave_too(senders: Senders) -> None:
    """The sender tries again by itself."""
    with no_server() as port:
        sender = senders.to(port)
        sender.put(batch(b"one"))
        waits(sender, 3)
    with OtlpServer(port).running() as server:
        server.wait(1)
        wait_for(lambda: not spooled(sender).waiting, "an empty spool", 10)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_retryable_answer_puts_them_on_disk(senders: Senders, server: OtlpServer, status: int) -> None:
    """Retry-After is honoured for what is there."""
    server.replies = [Reply(status, (("Retry-After", "1"),)), Reply()]
    sender = senders.to(server.port)
    sender.put(batch(b"one"))
    server.wait(1)
    waits(sender, 3)
    first, second = server.wait(2)
    assert second.time - first.time >= 1
    assert bodies(server) == [b"one", b"one"]


def test_what_is_refused_from_disk_is_counted_and_not_sent_again(senders: Senders, server: OtlpServer) -> None:
    """400 costs that batch, the next ones go on."""
    server.replies = [Reply(503, (("Retry-After", "1"),)), Reply(400), Reply()]
    sender = senders.to(server.port)
    sender.put(batch(b"poison", 5))
    server.wait(1)
    sender.put(batch(b"good", 7))
    server.wait(3)
    wait_for(lambda: not spooled(sender).waiting, "an empty spool", 10)
    assert bodies(server) == [b"poison", b"poison", b"good"]
    assert sender.dropped == {"refused": 5, "unreadable": 0}


def test_fresh_batches_do_not_wait_for_those_on_disk(senders: Senders) -> None:
    """After an outage they take turns; the rate caps only what comes from disk."""
    with no_server() as port:
        sender = senders.to(port, rate=150)
        for number in range(10):
            sender.put(batch(b"old %d" % number + b"x" * 100))
        waits(sender, 1000)
    with OtlpServer(port).running() as server:
        server.wait(1)
        sender.put(batch(b"fresh"))
        wait_for(lambda: b"fresh" in bodies(server), "the fresh batch", 10)
        assert spooled(sender).waiting
        old = len(server.received)
        wait_for(lambda: len(server.received) > old, "another old batch", 10)
        assert [body[:5] for body in bodies(server) if body != b"fresh"] == [
            b"old %d" % number for number in range(len(server.received) - 1)
        ]


def test_metric_points_leave_in_order_and_as_they_were(senders: Senders) -> None:
    """What waited on disk leaves before what is fresh: a series' older points may be refused after newer ones."""
    with no_server() as port:
        sender = senders.to(port, "metrics", rate=1000)
        for number in range(5):
            sender.put(batch(b"%d" % number + b"x" * 100))
        waits(sender, 500)
    with OtlpServer(port).running() as server:
        server.wait(1)
        sender.put(batch(b"fresh"))
        server.wait(6)
        assert [body[:1] for body in bodies(server)] == [b"0", b"1", b"2", b"3", b"4", b"f"]


def test_at_the_end_a_dead_collector_costs_no_time(senders: Senders) -> None:
    """What it does not take goes to disk at once, and is sent by the next process."""
    with no_server() as port:
        sender = senders.to(port)
        began = monotonic()
        sender.put(batch(b"one"))
        assert not sender.flush(began + 120)
        sender.put(batch(b"two"))
        sender.shutdown(began + 120)
        assert monotonic() - began < 30
        assert sender.dropped["shutdown"] == 0
    with OtlpServer(port).running() as server:
        senders.to(port).put(batch(b"three"))
        server.wait(3)
    assert sorted(bodies(server)) == [b"one", b"three", b"two"]


def test_at_the_end_a_hanging_collector_costs_the_deadline(senders: Senders, server: OtlpServer) -> None:
    """A collector that takes connections and never answers is waited for no longer; all is on disk then."""
    server.replies = [Reply(hang=True)]
    sender = senders.to(server.port, timeout=60)
    for number in range(5):
        sender.put(batch(b"%d" % number))
    server.wait(1)
    began = monotonic()
    sender.shutdown(began + 0.5)
    assert monotonic() - began < 30  # half of the export's own timeout
    assert (sender.dropped["shutdown"], sender.waiting_bytes) == (0, 0)
    server.replies = [Reply()]
    server.let_go()
    sender.shutdown(monotonic() + 10)  # this process lives on: now the files are free
    senders.to(server.port).put(batch(b"5"))
    wait_for(lambda: set(bodies(server)) == {b"%d" % number for number in range(6)}, "all batches", 10)


def test_a_hanging_collector_is_unreachable_after_the_timeout(senders: Senders, server: OtlpServer) -> None:
    """Then, too, what comes goes to disk."""
    server.replies = [Reply(hang=True)]
    sender = senders.to(server.port, timeout=0.2)
    sender.put(batch(b"one"))
    waits(sender, 3)
    sender.put(batch(b"two"))
    waits(sender, 6)


def test_what_comes_behind_a_hanging_export_is_on_disk_soon(senders: Senders, server: OtlpServer) -> None:
    """Long before its timeout, so that SIGKILL finds little in memory; all leaves when the Collector answers again."""
    server.replies = [Reply(hang=True)]
    sender = senders.to(server.port, timeout=60)
    sender.put(batch(b"hangs"))
    server.wait(1)
    began = monotonic()
    for number in range(30):
        sender.put(batch(b"%02d" % number))
        wait_for(lambda: monotonic() - began > 0.05 * number, "the next twentieth of a second", 5)  # noqa: B023
    wait_for(lambda: sender.waiting_bytes == 5, lambda: f"one batch in memory, not {sender.waiting_bytes} bytes", 5)
    assert spooled(sender).waiting
    server.replies = [Reply()]
    server.let_go()
    wait_for(lambda: len(server.received) == 32, lambda: f"32 requests, not {len(server.received)}", 10)
    assert sorted(bodies(server)) == [*(b"%02d" % number for number in range(30)), b"hangs", b"hangs"]
    wait_for(lambda: not sender._aside, "the end of the second thread", 5)


def test_behind_a_hanging_export_a_disk_that_fails_costs_nothing(senders: Senders, server: OtlpServer) -> None:
    """What it does not take stays in memory, in order; no thread is left."""
    (senders.folder / "file").write_text("")
    senders.folder /= "file"
    server.replies = [Reply(hang=True)]
    sender = senders.to(server.port, timeout=60)
    sender.put(batch(b"0"))
    server.wait(1)
    began = monotonic()
    for number in range(1, 7):
        sender.put(batch(b"%d" % number))
        wait_for(lambda: monotonic() - began > 0.25 * number, "the next quarter of a second", 5)  # noqa: B023
    wait_for(lambda: spooled(sender).failure, "a failure", 10)
    server.replies = [Reply()]
    server.let_go()
    assert sender.flush(monotonic() + 10)
    assert bodies(server) == [b"0", *(b"%d" % number for number in range(7))]
    assert not sender._aside


def test_who_begins_sends_what_others_left(senders: Senders) -> None:
    """At once, one folder after the other, without batches of its own."""
    for payload in (b"one", b"two", b"three"):
        dead = spooled(senders.by(Kept()))
        assert dead.write(Frame(payload, 1, time()))
        dead.close()
    sender = senders.by(transport := Kept())
    sender.begin()
    wait_for(lambda: len(transport.payloads) == 3, lambda: f"three batches, not {transport.payloads}", 10)
    assert sorted(transport.payloads) == [b"one", b"three", b"two"]


def test_the_end_waits_for_what_is_under_way(senders: Senders) -> None:
    """Else a batch that arrives as the process ends would be sent again by the next one."""

    class Slow(Kept):
        def send(self, payload: bytes, timeout: float) -> Answer:
            answer = super().send(payload, timeout)
            sleep(0.3)
            return answer

    first = senders.by(Kept(RETRY))
    first.put(batch(b"one"))
    waits(first, 3)
    first.shutdown(monotonic() + 1)
    second = senders.by(transport := Slow())
    second.put(batch(b"two"))
    wait_for(lambda: transport.payloads, "the first export", 5)
    second.shutdown(monotonic() + 5)
    assert sorted(transport.payloads) == [b"one", b"two"]
    assert not list(senders.folder.rglob("*.sending"))


def test_at_the_end_the_files_are_free(senders: Senders) -> None:
    """Whoever comes next finds them at once, and need not look again later."""

    class Late(Kept):
        def close(self) -> None:
            sleep(0.3)

    first = senders.by(Late(RETRY))
    first.put(batch(b"one"))
    first.shutdown(monotonic() + 10)
    second = senders.by(transport := Kept())
    second.put(batch(b"two"))
    assert second.flush(monotonic() + 10)
    assert sorted(transport.payloads) == [b"one", b"two"]


def test_without_a_disk_memory_is_used(tmp_path: Path, lines: list[str]) -> None:
    """As without a spool: the newest batches wait, the oldest are dropped and counted, and all leave in order."""
    (tmp_path / "file").write_text("")
    senders = Senders(tmp_path / "file")
    with no_server() as port:
        sender = senders.to(port, max_bytes=100)
        for number in range(20):
            sender.put(batch(b"%02d" % number + b"x" * 18))
        assert not sender.flush(monotonic() + 0.3)
        assert sender.waiting_bytes <= 100
        assert 15 <= sender.dropped["queue_full"] <= 16
    with OtlpServer(port).running() as server:
        assert sender.flush(monotonic() + 10)
    assert [body[:2] for body in bodies(server)][-4:] == [b"16", b"17", b"18", b"19"]
    assert len(lines) == 3
    assert len([line for line in lines if "OTEL_DISTRO_SPOOL_DIR" in line]) == 1
    senders.end()


def test_what_grew_too_old_in_memory_is_dropped_too(tmp_path: Path) -> None:
    """The stores would refuse it, wherever it waited."""
    transport = Kept()
    sender = Senders(tmp_path).by(transport)
    old = batch(b"old", 3)._replace(created=time() - 3700)
    sender.put(old)
    sender.put(batch(b"young"))
    assert sender.flush(monotonic() + 10)
    assert (transport.payloads, sender.dropped["too_old"]) == ([b"young"], 3)
    sender.shutdown(monotonic() + 1)


def test_a_full_spool_is_counted_by_the_sender(senders: Senders) -> None:
    """Every item is sent, dropped or waiting."""
    with no_server() as port:
        sender = senders.to(port, spool_bytes=20_000)
        for number in range(100):
            sender.put(batch(b"%03d" % number + b"x" * 997, 2))
        wait_for(lambda: sender.waiting_bytes == 0, "an empty queue", 10)
    with OtlpServer(port).running() as server:
        assert sender.flush(monotonic() + 10)
    assert sender.dropped["spool_full"] == 2 * (100 - len(server.received))
    assert len(server.received) >= 1


def test_a_broken_spool_costs_nothing_but_itself(senders: Senders, lines: list[str]) -> None:
    """A bug of ours in it is logged once; batches are sent from memory."""

    class Broken(Spool):
        def look(self) -> None:
            raise ValueError("look")

        def write(self, batch: Frame) -> bool:
            raise ValueError(batch)

    transport = Kept(RETRY, Answer(Result.SUCCESS))
    sender = senders.by(transport)
    sender.spool = Broken(senders.folder, "traces", "here", Limits(1 << 20, 3600, 1e9))
    for payload in (b"one", b"two"):
        sender.put(batch(payload))
    assert sender.flush(monotonic() + 10)
    assert transport.payloads == [b"one", b"one", b"two"]


def test_without_a_thread_the_flush_uses_the_disk(senders: Senders, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the interpreter's end no thread can be started any more (Python 3.12)."""
    sender = senders.by(Kept(RETRY))
    monkeypatch.setattr(sender, "_start", lambda: None)
    sender.put(batch(b"one"))
    began = monotonic()
    assert not sender.flush(began + 120)
    sender.shutdown(began + 120)
    assert monotonic() - began < 30
    assert sender.dropped["shutdown"] == 0
    another = senders.by(transport := Kept())
    another.put(batch(b"two"))
    wait_for(lambda: sorted(transport.payloads) == [b"one", b"two"], "both", 10)


def test_a_reset_leaves_the_files_to_the_parent(senders: Senders) -> None:
    """As in a forked child: nothing waits."""
    sender = senders.by(Kept(RETRY))
    sender.put(batch(b"one"))
    waits(sender, 3)
    sender.shutdown(monotonic() + 1)
    sender.reset()
    assert (spooled(sender).waiting, sender.waiting_bytes) == (False, 0)
