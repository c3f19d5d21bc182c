"""The spool: in order, bounded in size and age, safe for many processes, and only ever a help."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import stat
from pathlib import Path
from time import time

import pytest

from otel_distro.exporter import spool as module
from tests.exporter.spools import AGE, as_nobody, batch, drained, files, looked, spool


def test_batches_leave_in_order(tmp_path: Path) -> None:
    """Whatever was written in between, and however many files it took."""
    one = spool(tmp_path, 1 << 30)
    payloads = [b"%04d" % number + b"x" * 300_000 for number in range(10)]
    assert all(one.write(batch(payload)) for payload in payloads[:7])
    assert len(files(tmp_path)) == 3
    first = one.first()
    assert first is not None
    assert first.payload == payloads[0]
    assert all(one.write(batch(payload)) for payload in payloads[7:])
    assert drained(one) == payloads


def test_nothing_is_left_of_what_was_sent(tmp_path: Path) -> None:
    """Neither a file nor a process's folder, and the counters say so."""
    one = spool(tmp_path)
    assert (one.waiting, one.waiting_bytes, one.waiting_files, one.oldest_age) == (False, 0, 0, 0)
    one.write(batch(b"one"))
    one.write(batch(b"two"))
    assert (one.waiting, one.waiting_files) == (True, 1)
    assert one.waiting_bytes == sum(path.stat().st_size for path in files(tmp_path))
    assert 0 <= one.oldest_age < 10
    assert drained(one) == [b"one", b"two"]
    assert (one.waiting, one.waiting_bytes, one.waiting_files, one.oldest_age) == (False, 0, 0, 0)
    assert list(tmp_path.glob("*/*")) == []


def test_only_its_user_can_look_into_it(tmp_path: Path) -> None:
    """Folders have mode 0700, files 0600."""
    one = spool(tmp_path / "new")
    one.write(batch(b"secret"))
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new", *(tmp_path / "new").rglob("*"))}
    assert {mode for path, mode in found.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in found.items() if not path.is_dir()} == {0o600}


def test_a_full_spool_drops_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It never exceeds its size; what was dropped is counted, and the newest batches are there."""
    monkeypatch.setattr(module, "_FILE_BYTES", 2000)
    one = spool(tmp_path, 20_000)
    for number in range(100):
        assert one.write(batch(b"%03d" % number + b"x" * 900, 3))
        assert sum(path.stat().st_size for path in files(tmp_path)) <= 20_000
    kept = drained(one)
    assert 15 <= len(kept) <= 21
    assert [payload[:3] for payload in kept] == [b"%03d" % number for number in range(100 - len(kept), 100)]
    assert one.dropped == {"spool_full": 3 * (100 - len(kept)), "unreadable": 0}


def test_what_a_dead_process_was_sending_is_dropped_for_room(tmp_path: Path) -> None:
    """It is the oldest, and counted; what a living process is sending stays."""
    dead, living, one = spool(tmp_path), spool(tmp_path), spool(tmp_path, 20_000)
    for sending in (dead, living):
        assert sending.write(batch(b"x" * 9000, 5))
        assert sending.first()
    dead.reset()  # the kernel lets go of what it held
    assert one.write(batch(b"y" * 9000, 3))
    assert one.dropped == {"spool_full": 5, "unreadable": 0}
    assert drained(living) == [b"x" * 9000]
    assert drained(one) == [b"y" * 9000]
    assert list(tmp_path.glob("*/*")) == []


def test_what_others_left_is_told_by_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When all of it has left, of however many processes; what is its own is no such thing."""
    for number in range(3):
        left = spool(tmp_path)
        left.write(batch(b"x" * 500))
        left.write(batch(b"x" * 500, age=100 * number))
        left.close()
    one = spool(tmp_path)
    one.write(batch(b"own"))
    assert drained(one) == [b"own"]
    for _ in range(4):
        drained(looked(one))
    (said,) = (record.getMessage() for record in caplog.records)
    assert "left on disk was sent: 6 batches of traces, 3000 bytes, up to " in said
    assert said.endswith(" s old, of 3 processes")


def test_many_processes_stay_within_one_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """About: the oldest is dropped, whoever wrote it, and each loss is counted by one of them."""
    monkeypatch.setattr(module, "_FILE_BYTES", 2000)
    spools = [spool(tmp_path, 40_000) for _ in range(4)]
    for number in range(200):
        assert spools[number % 4].write(batch(b"%03d" % number + b"x" * 900))
        assert sum(path.stat().st_size for path in files(tmp_path)) <= 44_000
    kept = sorted(int(payload[:3]) for one in spools for payload in drained(one))
    assert sum(one.dropped["spool_full"] for one in spools) == 200 - len(kept)
    assert len(kept) > 25
    assert kept[0] > 200 - 2 * len(kept)


def test_a_batch_larger_than_the_spool_is_not_taken(tmp_path: Path) -> None:
    """What is there stays; the batch waits in memory."""
    one = spool(tmp_path, 1000)
    assert one.write(batch(b"small"))
    assert not one.write(batch(b"x" * 2000))
    assert "OTEL_DISTRO_SPOOL_MAX_BYTES" in one.failure


def test_no_bytes_no_spool(tmp_path: Path) -> None:
    """With 0 bytes nothing is written, looked at or taken over."""
    spool(tmp_path).write(batch(b"left"))
    one = looked(spool(tmp_path / "off", 0))
    assert not one.write(batch(b"one"))
    assert (one.failure, one.waiting) == ("", False)
    assert not (tmp_path / "off").exists()


def test_the_disk_is_never_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All spools together take at most half of what is free."""
    monkeypatch.setattr(module, "_free", lambda _: 10_000 - sum(path.stat().st_size for path in files(tmp_path)))
    one = spool(tmp_path, 1 << 30)
    assert one.write(batch(b"x" * 4000))
    assert not one.write(batch(b"x" * 8000))
    assert "disk" in one.failure
    assert drained(one) == [b"x" * 4000]


def test_what_is_too_old_is_dropped_and_counted(tmp_path: Path) -> None:
    """The stores would refuse it; younger batches in the same file leave."""
    one = spool(tmp_path)
    one.write(batch(b"old", 5, AGE + 1))
    one.write(batch(b"young", 7, AGE - 60))
    assert drained(one) == [b"young"]
    assert one.dropped == {"too_old": 5, "unreadable": 0}


def test_files_too_old_are_dropped_unread_whoever_wrote_them(tmp_path: Path) -> None:
    """Also those for an endpoint that nobody sends to any more."""
    one = spool(tmp_path, destination="there")
    one.write(batch(b"old", 5))
    one.close()
    (path,) = files(tmp_path)
    path.rename(path.with_name(f"{int((time() - AGE - 100) * 1000):013d}-000001.otlp"))
    another = looked(spool(tmp_path))
    assert another.dropped == {"too_old": 5, "unreadable": 0}
    assert list(tmp_path.glob("*/*")) == []


def test_a_rate_caps_what_leaves(tmp_path: Path) -> None:
    """After each batch the next one is due when the rate allows it."""
    one = spool(tmp_path, rate=1000)
    one.write(batch(b"x" * 2000))
    one.write(batch(b"y"))
    assert one.due_in == 0
    one.first()
    one.done()
    assert one.due_in == pytest.approx(2, abs=0.5)


def test_what_a_dead_process_left_is_taken_over(tmp_path: Path) -> None:
    """By one of those that live; what a living one holds is left alone."""
    dead, living = spool(tmp_path), spool(tmp_path)
    dead.write(batch(b"1"))
    living.write(batch(b"2"))
    dead.write(batch(b"3"))
    assert drained(looked(spool(tmp_path))) == []
    dead.close()
    third, fourth = looked(spool(tmp_path)), looked(spool(tmp_path))
    assert (drained(third), drained(fourth), drained(living)) == ([b"1", b"3"], [], [b"2"])
    assert list(tmp_path.glob("*/*")) == []


def test_one_folder_after_the_other_is_taken_over(tmp_path: Path) -> None:
    """So that the processes that live share the work."""
    for name in (b"a", b"b"):
        dead = spool(tmp_path)
        dead.write(batch(name))
        dead.close()
    one, another = looked(spool(tmp_path)), looked(spool(tmp_path))
    assert (one.waiting_files, another.waiting_files) == (1, 1)
    assert sorted(drained(one) + drained(another)) == [b"a", b"b"]


def test_the_oldest_is_taken_over_first(tmp_path: Path) -> None:
    """Whatever the folders' names are."""
    now = int(time() * 1000)
    for number in (2, 3, 1):
        dead = spool(tmp_path)
        dead.write(batch(b"%d" % number))
        (path,) = (path for path in files(tmp_path) if path.parent == dead._own.path)  # type: ignore[union-attr]
        path.rename(path.with_name(f"{now - 1000 + number}-000001.otlp"))
        dead.close()
    one = spool(tmp_path)
    found = []
    for _ in range(3):
        found += drained(looked(one))
    assert found == [b"1", b"2", b"3"]


def test_a_file_that_can_not_be_read_stops_nothing(tmp_path: Path) -> None:
    """It is counted, and the disk is left alone for a while."""
    dead = spool(tmp_path)
    dead.write(batch(b"one"))
    dead.close()
    (path,) = files(tmp_path)
    path.unlink()
    path.mkdir()
    one = looked(spool(tmp_path))
    assert drained(one) == []
    assert one.dropped == {"unreadable": 1}
    assert drained(looked(one)) == []
    assert one.dropped == {"unreadable": 1}


def test_a_file_that_can_not_be_removed_is_not_taken_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is left alone for a while; what was sent is marked."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    one = spool(tmp_path)
    one.write(batch(b"one"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        assert drained(one) == [b"one"]
    assert one.looks_in is not None
    assert one.looks_in > 15
    assert drained(looked(spool(tmp_path))) == []


def test_another_endpoints_batches_are_not_taken_over(tmp_path: Path) -> None:
    """What was for one tenant is not sent to another one."""
    dead = spool(tmp_path, destination="there")
    dead.write(batch(b"for there"))
    dead.close()
    assert drained(looked(spool(tmp_path))) == []
    assert drained(looked(spool(tmp_path, destination="there"))) == [b"for there"]


def test_what_left_before_the_process_died_is_not_sent_again(tmp_path: Path) -> None:
    """Also from the middle of a file."""
    one = spool(tmp_path)
    for payload in (b"1", b"2", b"3"):
        one.write(batch(payload))
    assert one.first() is not None
    one.done()
    assert one.first() is not None
    one.close()
    assert drained(looked(spool(tmp_path))) == [b"2", b"3"]


def test_a_forked_child_owns_none_of_its_parents_files(tmp_path: Path) -> None:
    """After a reset it has nothing, and the parent's files are still the parent's."""
    parent = spool(tmp_path)
    parent.write(batch(b"parent's"))
    child = os.fork()
    if child == 0:
        parent.reset()
        empty = not parent.waiting and drained(looked(parent)) == [] and parent.write(batch(b"child's"))
        os._exit(0 if empty else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert drained(parent) == [b"parent's"]
    assert drained(looked(parent)) == [b"child's"]


def test_damaged_files_cost_what_is_damaged(tmp_path: Path) -> None:
    """Half a frame at the end, rubbish, an empty file: what can be read leaves, the rest is counted."""
    dead = spool(tmp_path)
    dead.write(batch(b"whole", 2))
    dead.write(batch(b"half of this is missing", 3))
    dead.close()
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes()[:-10])
    path.with_name("0000000000001-000001.otlp").write_bytes(b"")
    path.with_name("rubbish.otlp").write_bytes(b"\x00rubbish" * 100)
    (path.parent / "note.txt").write_text("not ours")
    one = looked(spool(tmp_path))
    assert drained(one) == [b"whole"]
    assert one.dropped["unreadable"] == 4


def test_a_write_that_fails_leaves_whole_batches(tmp_path: Path) -> None:
    """When a file can't grow (a full disk does the same), what was written before is intact; the batch is not taken."""
    one = spool(tmp_path)
    assert one.write(batch(b"before"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
    try:
        assert not one.write(batch(b"x" * 1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert one.failure
    assert not one.write(batch(b"at rest"))
    one._rests_until = 0
    assert one.write(batch(b"after"))
    assert one.failure == ""
    assert drained(one) == [b"before", b"after"]
    assert one.dropped == {"unreadable": 0}


def test_a_failure_is_one_line(tmp_path: Path, lines: list[str]) -> None:
    """It names the setting and the reason; the disk is left alone for a minute."""
    (tmp_path / "file").write_text("")
    one = spool(tmp_path / "file" / "below")
    assert [one.write(batch(b"one")) for _ in range(3)] == [False] * 3
    one._rests_until = 0
    assert not one.write(batch(b"one"))
    (line,) = lines
    assert "OTEL_DISTRO_SPOOL_DIR" in line
    assert "Not a directory" in line


def test_a_directory_that_can_not_be_written_to(tmp_path: Path) -> None:
    """Nothing is taken, and nothing is changed there."""
    tmp_path.chmod(0o555)
    with as_nobody():
        assert not spool(tmp_path).write(batch(b"one"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_a_folder_that_others_made_or_see_into_is_not_used(tmp_path: Path, mode: int) -> None:
    """Whoever can put files there could send in our name, or read our telemetry."""
    (tmp_path / "traces-here").mkdir()
    (tmp_path / "traces-here").chmod(mode)
    one = spool(tmp_path)
    assert not one.write(batch(b"one"))
    assert "0700" in one.failure
    assert list((tmp_path / "traces-here").iterdir()) == []


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    """Not for the folder of a destination."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "traces-here").symlink_to(tmp_path / "elsewhere")
    assert not spool(tmp_path / "spool").write(batch(b"one"))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_file_that_vanishes_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody emptied the cache: what comes next is written and sent."""
    one = spool(tmp_path)
    one.write(batch(b"gone"))
    files(tmp_path)[0].unlink()
    assert one.write(batch(b"next"))
    assert drained(one) == [b"next"]
    one.write(batch(b"gone"))
    files(tmp_path)[0].unlink()
    assert drained(one) == []


def test_a_folder_that_vanishes_is_made_again(tmp_path: Path) -> None:
    """The first write fails, the one after the rest goes into a new folder."""
    one = spool(tmp_path)
    one.write(batch(b"gone"))
    for path in (*files(tmp_path), *tmp_path.rglob("lock")):
        path.unlink()
    for path in tmp_path.glob("*/*"):
        path.rmdir()
    one.write(batch(b"lost or not"))
    one._rests_until = 0
    assert one.write(batch(b"next"))
    assert drained(one)[-1:] == [b"next"]


def test_a_lock_is_held_while_files_wait(tmp_path: Path) -> None:
    """Other programs can ask, too."""
    one = spool(tmp_path)
    one.write(batch(b"one"))
    (lock,) = tmp_path.rglob("lock")
    with lock.open() as opened, pytest.raises(BlockingIOError):
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
