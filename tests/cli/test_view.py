"""`otel-distro view` as its own process."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from otel_distro.viewer.query import Query
from tests.cli.conftest import COMMAND
from tests.viewer.client import Client, envelope, span

DEADLINE_SECONDS = 20
Run = Callable[..., subprocess.CompletedProcess[str]]


class View:
    """A running `otel-distro view`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.process = subprocess.Popen(
            [str(COMMAND), "view", "--port", "0", "--db", str(path)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()
        self.endpoint = self.process.stdout.readline().split("ENDPOINT=")[1].split()[0]

    def send(self, number: int) -> None:
        """Send one span."""
        body = envelope("traces", [span(number)])
        httpx.post(f"{self.endpoint}/v1/traces", json=body, trust_env=False).raise_for_status()

    def end(self, number: signal.Signals) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(DEADLINE_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def until_spans(path: Path, number: int) -> None:
    """Wait until the store holds that many spans, as another process sees it."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    with Query(path) as query:
        while query.counts().spans < number:
            assert time.monotonic() < deadline, query.counts()
            time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_viewer_has_written_all(tmp_path: Path, number: signal.Signals) -> None:
    """What was answered with 200 is in the store after SIGTERM or Ctrl-C, and the exit code is 0."""
    view = View(tmp_path / "viewer.db")
    for span_number in range(1, 21):
        view.send(span_number)
    assert view.end(number) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["viewer.db"]
    until_spans(view.path, 20)


def test_a_killed_viewers_store_is_whole(tmp_path: Path) -> None:
    """After kill -9 the store is read and written again, and nothing that was in it is lost."""
    view = View(tmp_path / "viewer.db")
    view.send(1)
    until_spans(view.path, 1)
    assert view.end(signal.SIGKILL) == -signal.SIGKILL
    until_spans(view.path, 1)
    again = Client(view.path)
    again.send("traces", span(2))
    with again.stored() as query:
        assert query.counts().spans == 2
        assert query._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_path_that_cannot_be_written_is_exit_code_two(tmp_path: Path, run: Run) -> None:
    """One line, which names the setting."""
    (tmp_path / "file").touch()
    done = run("view", "--port", "0", OTEL_DISTRO_VIEWER_DB=str(tmp_path / "file" / "viewer.db"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"otel-distro: cannot write {tmp_path}/file/viewer.db: Not a directory"
        " (set OTEL_DISTRO_VIEWER_DB or --db to a file that can be written)\n"
    )


def test_a_taken_port_is_exit_code_two(tmp_path: Path, run: Run) -> None:
    """One line, which names the option."""
    view = View(tmp_path / "viewer.db")
    port = view.endpoint.rpartition(":")[2]
    done = run("view", "--port", port, "--db", str(tmp_path / "other.db"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"port {port} on 127.0.0.1 cannot be used" in done.stderr
    view.end(signal.SIGTERM)
    assert run("view", "--port", "99999").returncode == 2


def test_reading_commands_need_no_server_library(run: Run) -> None:
    """`traces` and `--help` import neither uvicorn, starlette nor protobuf."""
    script = (
        "import sys; from otel_distro.cli import main; main(['traces', '--db', '/nonexistent']);"
        "sys.exit(any(name in sys.modules for name in ('uvicorn', 'starlette', 'google.protobuf')))"
    )
    done = subprocess.run([COMMAND.with_name("python"), "-c", script], check=False, timeout=60, capture_output=True)
    assert done.returncode == 0
