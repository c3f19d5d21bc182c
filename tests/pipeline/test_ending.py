"""Ends that run no code of Python's: what was recorded is sent before them, and the application can't tell."""

from __future__ import annotations

import signal
from pathlib import Path
from time import monotonic

import pytest

from tests.exporter.server import OtlpServer, Reply
from tests.pipeline.program import ended, environment, ready, started

pytestmark = pytest.mark.integration


def names(server: OtlpServer) -> list[str]:
    """Of the spans that came."""
    return [span.name for span in server.spans()]


def test_the_application_sees_the_default_action(server: OtlpServer, tmp_path: Path) -> None:
    """Handlers are as they would be without us: asked for, replaced, put back; SIGINT's and ignored ones too."""
    program = """
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
assert signal.getsignal(signal.SIGHUP) in (signal.SIG_DFL, signal.SIG_IGN)  # ignored under nohup
assert signal.getsignal(signal.SIGINT) in (signal.default_int_handler, signal.SIG_IGN)  # ignored in a background job
own = lambda *_: None
assert signal.signal(signal.SIGTERM, own) is signal.SIG_DFL
assert signal.getsignal(signal.SIGTERM) is own
assert signal.signal(signal.SIGTERM, signal.SIG_DFL) is own
assert signal.signal(signal.SIGTERM, signal.SIG_IGN) is signal.SIG_DFL
assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
for bad in ((signal.SIGTERM,), (signal.SIGKILL, signal.SIG_DFL), (signal.SIGTERM, "no handler")):
    try:
        signal.signal(*bad)
    except (TypeError, OSError):
        continue
    raise AssertionError(bad)
"""
    done = ended(program, environment(server, tmp_path))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_handler_that_is_put_back_is_died_of(server: OtlpServer, tmp_path: Path, number: signal.Signals) -> None:
    """As uvicorn does: its own handler first, then the one before it, then the signal again."""
    program = f"""
signal.signal({number}, signal.SIG_DFL)
before = signal.signal({number}, lambda *_: None)
span('last')
signal.raise_signal({number})
span('after')
signal.signal({number}, before)
signal.raise_signal({number})
span('never')
"""
    done = ended(program, environment(server, tmp_path))
    assert (done.returncode, done.stderr) == (-number, "")
    assert names(server) == ["last", "after"]


def test_a_signal_that_comes_twice_cuts_nothing_short(server: OtlpServer, tmp_path: Path) -> None:
    """A supervisor and its group both get SIGTERM; the second one, in the middle of the flush, changes nothing."""
    server.replies = [Reply(503), Reply()]
    program = "span('last'); print('ready', flush=True)\ntime.sleep(60)"
    with started(program, environment(server, tmp_path)) as process:
        assert ready(process) == "ready"
        process.send_signal(signal.SIGTERM)
        while server.received == []:
            process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == -signal.SIGTERM
    assert "last" in names(server)


def test_a_signal_in_the_middle_of_telemetry_waits_for_its_end(server: OtlpServer, tmp_path: Path) -> None:
    """The main thread is let out of the lock that it holds, and what it does there is not lost."""
    program = """
code = "def hold(lock):\\n with lock: signal.raise_signal(signal.SIGTERM); print('inside', flush=True)"
names = {"__name__": "opentelemetry.sdk.metrics", "signal": signal}
exec(code, names)
span("last")
orders.add(1)
names["hold"](pipeline.aggregator.lock)
time.sleep(60)
"""
    began = monotonic()
    done = ended(program, environment(server, tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGTERM, "inside\n", "")
    assert names(server) == ["last"]
    assert server.metrics("orders")
    assert monotonic() - began < 5


@pytest.mark.parametrize("where", ["os", "os.fork"])
def test_os_exit_sends_first(server: OtlpServer, tmp_path: Path, where: str) -> None:
    """In the process itself, and in its children."""
    program = """
span('parent')
if {fork} and os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
orders.add(1)
span('last')
os._exit(5)
"""
    done = ended(program.format(fork=where == "os.fork"), environment(server, tmp_path))
    assert (done.returncode, done.stderr) == (5, "")
    assert sorted(names(server)) == ["last", "parent"]
    assert server.metrics("orders")


def test_a_child_that_recorded_nothing_ends_at_once(server: OtlpServer, tmp_path: Path) -> None:
    """It makes no thread, no connection, and waits for no collector."""
    server.replies = [Reply(hang=True)]
    program = """
if not os.fork():
    began = time.monotonic()
    threading.Thread.start = None
    os._exit(7)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    done = ended(program, environment(server, tmp_path))
    assert (done.stdout.strip(), done.stderr) == ("7", "")
    assert server.received == []


def test_a_collector_that_hangs_delays_os_exit_by_the_deadline_only(server: OtlpServer, tmp_path: Path) -> None:
    """As any other end."""
    server.replies = [Reply(hang=True)]
    environ = environment(server, tmp_path, OTEL_DISTRO_SHUTDOWN_TIMEOUT="1")
    began = monotonic()
    assert ended("span('last')\nos._exit(5)", environ).returncode == 5
    assert monotonic() - began < 6


def test_another_program_in_this_process(server: OtlpServer, tmp_path: Path) -> None:
    """What was recorded before `os.exec*` is sent; a failed one goes on as before."""
    program = """
span('before')
try:
    os.execvp("no-such-program", ["no-such-program"])
except FileNotFoundError:
    span('between')
os.execl(sys.executable, sys.executable, "-c", "print('another')")
"""
    done = ended(program, environment(server, tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "another\n", "")
    assert names(server) == ["before", "between"]


def test_a_container_s_first_process_goes_on(server: OtlpServer, tmp_path: Path) -> None:
    """No default action ends it, as the kernel has it: what it had is sent, and what it does then, too."""
    program = """
known = os.getpid
span('before')
os.getpid = lambda: 1  # what such a process is told
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTERM):
    signal.raise_signal(number)
    span('after')
os.getpid = known
"""
    done = ended(program, environment(server, tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert names(server) == ["before", "after", "after", "after"]
