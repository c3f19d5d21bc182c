"""The console writes whole lines and gets out of the way."""

from __future__ import annotations

import os
import pty
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from otel_distro.logs.console import Console, line_format, render_text, renderer
from otel_distro.logs.stream import is_console, is_console_path
from otel_distro.record import LogRecord

if TYPE_CHECKING:
    from collections.abc import Iterator


class Pipe:
    """A pipe with a reader that reads when told."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def read(self) -> bytes:
        """All that is in the pipe."""
        os.set_blocking(self.reader, False)
        found = b""
        try:
            while chunk := os.read(self.reader, 65536):
                found += chunk
        except BlockingIOError:
            pass
        return found


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """An open pipe."""
    made = Pipe()
    yield made
    for descriptor in (made.reader, made.writer):
        try:
            os.close(descriptor)
        except OSError:
            continue


def test_lines_of_many_threads_stay_whole(tmp_path: Path) -> None:
    """Lines of any length, written by eight threads at once, do not mix."""
    path = tmp_path / "out"
    with path.open("wb") as file:
        console = Console(render_text, file.fileno())
        lines = [bytes([97 + n]) * (n * 3000 + 1) + b"\n" for n in range(8)]
        threads = [Thread(target=lambda n=n: [console.write([lines[n]] * 3) for _ in range(20)]) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = path.read_bytes().splitlines(keepends=True)
    assert sorted(found) == sorted(line for line in lines for _ in range(60))


def test_a_reader_that_stands_still_does_not_hold_the_app(pipe: Pipe) -> None:
    """A full pipe costs a moment once, then nothing; lost lines are counted; later ones arrive whole."""
    console = Console(render_text, pipe.writer)
    line = b"x" * 999 + b"\n"
    began = monotonic()
    for _ in range(1000):
        console.write([line])
    assert monotonic() - began < 5
    first = pipe.read()
    assert console.dropped == 1000 - first.count(b"\n")
    console.write([b"later\n"])
    rest = pipe.read()
    assert {*(first + rest).splitlines(keepends=True)} == {line, b"later\n"}


def test_a_line_that_was_begun_is_ended_first(pipe: Pipe) -> None:
    """A long line that only half fits is completed before the next one."""
    os.set_blocking(pipe.writer, False)
    console = Console(render_text, pipe.writer)
    long = b"y" * 100_000 + b"\n"
    console.write([long])
    first = pipe.read()
    assert 0 < len(first) < len(long)
    console.write([b"later\n"])
    assert first + pipe.read() == long + b"later\n"
    assert console.dropped == 0


def test_a_reader_that_is_gone(pipe: Pipe) -> None:
    """A broken pipe and a closed descriptor raise nothing; lines are counted as lost."""
    console = Console(render_text, pipe.writer)
    os.close(pipe.reader)
    console.write([b"one\n", b"two\n"])
    assert console.dropped == 2
    os.close(pipe.writer)
    console.write([b"three\n"])
    assert console.dropped == 3


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_fork_with_the_lock_held(pipe: Pipe) -> None:
    """A child that is forked while another thread writes can write itself."""
    console = Console(render_text, pipe.writer)
    with console._lock:
        thread = Thread(target=_fork_and_write, args=(console,))
        thread.start()
        thread.join(30)
        assert not thread.is_alive()
    assert pipe.read() == b"child\n"


def _fork_and_write(console: Console) -> None:
    child = os.fork()
    if child == 0:
        console.write([b"child\n"])
        os._exit(0)
    os.waitpid(child, 0)


def test_which_streams_are_the_console(tmp_path: Path) -> None:
    """A file object on descriptor 1 or 2 is, other files and objects are not."""
    with os.fdopen(2, "w", closefd=False) as stderr, (tmp_path / "file").open("w") as file:
        found = [is_console(stream) for stream in (stderr, file, None, object())]
    assert found == [True, False, False, False]
    assert is_console_path("/dev/stdout")
    assert not is_console_path(str(tmp_path))


def test_format_goes_by_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """auto is text on a terminal, else json; colours on a terminal unless NO_COLOR is set."""
    record = LogRecord(0, 9, "INFO", "shop", "sold")
    main, terminal = pty.openpty()
    for descriptor, kind in ((terminal, "text"), (os.open(os.devnull, os.O_WRONLY), "json")):
        with os.fdopen(descriptor, "w") as stream:
            monkeypatch.setattr("sys.__stdout__", stream)
            assert line_format("auto") == kind
            assert (b"\x1b" in renderer("text", {})(record)) == (kind == "text")
            monkeypatch.setenv("NO_COLOR", "1")
            assert b"\x1b" not in renderer("text", {})(record)
            monkeypatch.delenv("NO_COLOR")
    os.close(main)
    assert line_format("app") == "app"
