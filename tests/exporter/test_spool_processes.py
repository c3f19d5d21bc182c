"""Whole processes with a spool: killed, started again, side by side; what was on disk arrives, each item once."""

from __future__ import annotations

import re
import socket
import subprocess
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from otel_distro.exporter.frame import decode
from tests.e2e.waiting import wait_for
from tests.exporter.server import OtlpServer
from tests.pipeline.program import ended, environment, ready, started

pytestmark = pytest.mark.integration

EMIT = """
for number in range(int(os.environ["COUNT"])):
    span(f"{os.environ['NAME']}-{number}")
    print(number, flush=True)
    time.sleep(0.002)
"""
STAY = f"{EMIT}\ntime.sleep(60)"


@pytest.fixture
def port() -> int:
    """One at which connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        number: int = taken.getsockname()[1]
    return number


def settings(port: int, folder: Path, name: str = "span", count: int = 10**6, **more: str) -> dict[str, str]:
    """Spans only, in batches of a twentieth of a second."""
    only_spans = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    quick = {"OTEL_DISTRO_ACCESS_LOG": "false", "NAME": name, "COUNT": str(count)}
    endpoint = SimpleNamespace(url=f"http://127.0.0.1:{port}")
    return environment(endpoint, folder, **only_spans | quick | more)  # type: ignore[arg-type]


def emitted(process: subprocess.Popen[str], count: int) -> int:
    """Wait until it has ended so many spans; the number of the last one."""
    last = 0
    while last < count:
        last = int(ready(process))
    return last


def killed(process: subprocess.Popen[str], last: int) -> int:
    """Kill it; the number of the last span that it said it had ended."""
    process.kill()
    rest = process.communicate()[0].splitlines()
    return max([last, *(int(line) for line in rest if line.strip().isdigit())])


def names(server: OtlpServer) -> Counter[str]:
    """How often each span came."""
    return Counter(span.name for span in server.spans())


def files(folder: Path) -> list[Path]:
    """All files of batches."""
    return [path for path in folder.rglob("*") if path.suffix in {".otlp", ".sending"}]


def on_disk(folder: Path) -> int:
    """How many spans wait."""
    frames = [frame for path in files(folder) for frame in decode("traces", path.read_bytes()).frames]
    return sum(frame.items for frame in frames)


def test_what_a_killed_process_had_on_disk_arrives(port: int, tmp_path: Path) -> None:
    """SIGKILL during an outage: the next process sends it, each span once; the last batch's time is missing at most."""
    with started(EMIT, settings(port, tmp_path)) as process:
        last = killed(process, emitted(process, 300))
    assert files(tmp_path)
    with OtlpServer(port).running() as server, started(STAY, settings(port, tmp_path, "next", 1)) as process:
        wait_for(lambda: not files(tmp_path) and server.spans(), "an empty spool", 20)
        found = names(server)
    assert set(found.values()) == {1}
    arrived = sorted(int(name.partition("-")[2]) for name in found if name.startswith("span-"))
    assert arrived == list(range(len(arrived)))
    assert len(arrived) > last - 150


def test_a_process_killed_while_it_sends_what_waited_repeats_one_batch_at_most(port: int, tmp_path: Path) -> None:
    """What left is marked in the file: the next process goes on behind it."""
    with started(EMIT, settings(port, tmp_path)) as process:
        killed(process, emitted(process, 300))
    slow = {"OTEL_DISTRO_SPOOL_RATE": "20000"}
    with OtlpServer(port).running() as server:
        with started(STAY, settings(port, tmp_path, "second", 1, **slow)) as process:
            server.wait(4)
            killed(process, 0)
        size = max(len(one.payload) for one in server.received)
        with started(STAY, settings(port, tmp_path, "third", 1)):
            wait_for(lambda: not files(tmp_path) and names(server)["third-0"], "an empty spool", 20)
        found = names(server)
    arrived = sorted(int(name.partition("-")[2]) for name in found if name.startswith("span-"))
    assert arrived == list(range(len(arrived)))
    twice = [name for name, count in found.items() if count > 1]
    assert set(found.values()) <= {1, 2}
    assert len(twice) < size / 20


def test_many_processes_share_a_directory(port: int, tmp_path: Path) -> None:
    """Three write and two of them are killed; after recovery each span arrives once."""
    run = [started(STAY, settings(port, tmp_path, name, 200)) for name in ("a", "b", "c")]
    with run[0] as first, run[1] as second, run[2] as third:
        for process in (first, second, third):
            emitted(process, 199)
        wait_for(lambda: on_disk(tmp_path) == 600, lambda: f"600 spans on disk, not {on_disk(tmp_path)}", 10)
        first.kill()
        second.kill()
        with OtlpServer(port).running() as server:
            third.terminate()
            third.communicate(timeout=20)
            with started(STAY, settings(port, tmp_path, "d", 1)), started(STAY, settings(port, tmp_path, "e", 1)):
                wait_for(lambda: not files(tmp_path) and len(names(server)) >= 602, "all", 20)
            assert names(server) == Counter(
                [*(f"{name}-{number}" for name in "abc" for number in range(200)), "d-0", "e-0"]
            )


@pytest.mark.parametrize(("hangs", "timeout"), [(False, "120"), (True, "1")])
def test_a_short_program_ends_in_time_and_loses_nothing(port: int, tmp_path: Path, hangs: bool, timeout: str) -> None:
    """A dead collector is not waited for, one that hangs for the deadline; one line for both signals says why.

    In each case a program that waited for what it need not would take longer than it is given.
    """
    program = "orders.add(1)\nspan('short')"
    more = {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_DISTRO_SHUTDOWN_TIMEOUT": timeout, "OTEL_DISTRO_LOG_FORMAT": "app"}
    collector = OtlpServer(port) if hangs else None  # it has the port and answers nobody
    done = ended(program, settings(port, tmp_path, OTEL_EXPORTER_OTLP_TIMEOUT="600", **more), timeout=30)
    (line,) = done.stderr.splitlines()
    assert line.startswith("telemetry can't be delivered")
    assert f"waits in {tmp_path / 'spool'}: http://127.0.0.1:{port}/v1/" in line
    assert len(files(tmp_path)) == 2
    if collector is not None:
        collector._http.server_close()
    with OtlpServer(port).running() as server:
        assert ended("orders.add(1)\nspan('later')", settings(port, tmp_path, **more)).returncode == 0
    assert names(server) == {"short": 1, "later": 1}
    assert files(tmp_path) == []


@pytest.mark.parametrize("hangs", [False, True])
def test_signals_with_settings_of_their_own_share_the_line(port: int, tmp_path: Path, hangs: bool) -> None:
    """One collector, named three times, is one reason; also without a spool the line says why."""
    own = {
        f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT": f"http://127.0.0.1:{port}/v1/{signal}"
        for signal in ("traces", "metrics", "logs")
    }
    all_three = {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp", "OTEL_DISTRO_LOG_FORMAT": "app"}
    more = {"OTEL_DISTRO_SPOOL_MAX_BYTES": "0", "OTEL_DISTRO_SHUTDOWN_TIMEOUT": "1", **own, **all_three}
    program = "import logging\norders.add(1)\nspan('short')\nlogging.getLogger('app').warning('short')"
    collector = OtlpServer(port) if hangs else None  # it has the port and answers nobody
    done = ended(program, settings(port, tmp_path, **more))
    if collector is not None:
        collector._http.server_close()
    why, lost = [line for line in done.stderr.splitlines() if line != "short"]
    assert re.search(
        f"telemetry can't be delivered( before the end)?: http://127.0.0.1:{port}/v1/[a-z]+ [(].*_ENDPOINT", why
    )
    assert "telemetry is lost at the end" in lost


def test_a_forked_child_sends_nothing_of_its_parent(port: int, tmp_path: Path) -> None:
    """Parent and child spool side by side, and each span arrives once."""
    program = """
span("before")
while not pipeline.worker.outputs.spans[0].sender.spool.waiting:
    time.sleep(0.01)
child = os.fork()
span("child" if not child else "parent")
if child:
    os.waitpid(child, 0)
"""
    done = ended(program, settings(port, tmp_path))
    assert done.returncode == 0
    with OtlpServer(port).running() as server:
        for number in range(2):
            assert ended(f"span('later-{number}')", settings(port, tmp_path)).returncode == 0
        wait_for(
            lambda: len(names(server)) == 5,
            lambda: f"five spans, not {names(server)}; {files(tmp_path)}; {done.stderr}",
            10,
        )
    assert set(names(server).values()) == {1}


def test_an_idle_process_sends_what_others_left(port: int, tmp_path: Path) -> None:
    """One measurement is enough to begin; it need not have spans of its own."""
    assert ended("span('left')", settings(port, tmp_path)).returncode == 0
    with OtlpServer(port).running() as server, started("orders.add(1)\ntime.sleep(60)", settings(port, tmp_path)):
        wait_for(lambda: names(server) == {"left": 1}, "the span", 20)
