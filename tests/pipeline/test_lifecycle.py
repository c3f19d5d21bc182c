"""The process's end: what was taken is sent in time, and the process ends as it would have ended."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from time import time

import pytest

from tests.exporter.grpc_server import GrpcReply, GrpcServer
from tests.exporter.server import OtlpServer, Reply
from tests.instrumented import PROGRAMS
from tests.pipeline.program import ended, environment, ready, started

pytestmark = pytest.mark.integration

PATIENT = {"OTEL_EXPORTER_OTLP_TIMEOUT": "600"}
"""For servers that hang: an end that waited for an export would not come before the test gives up."""


@pytest.mark.parametrize(
    ("end", "code"), [("", 0), ("sys.exit(3)", 3), ("raise ValueError('the app')", 1), ("sys.exit('words')", 1)]
)
def test_the_last_spans_are_sent_at_exit(server: OtlpServer, tmp_path: Path, end: str, code: int) -> None:
    """However the program ends, with its own exit code and message."""
    done = ended(f"span('last')\n{end}", environment(server, tmp_path))
    assert done.returncode == code
    assert [span.name for span in server.spans()] == ["last"]
    assert ("ValueError: the app" in done.stderr, "words" in done.stderr) == ("ValueError" in end, "words" in end)


def test_a_program_that_emits_nothing_sends_nothing(server: OtlpServer, tmp_path: Path) -> None:
    """No request, no slot, no output."""
    done = ended("", environment(server, tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert server.received == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reply", [Reply(), Reply(hang=True), Reply(503)])
def test_sigterm_flushes_and_is_died_of(server: OtlpServer, tmp_path: Path, reply: Reply) -> None:
    """Where nobody handles it: spans are sent, the process dies by the signal, in time even when the server hangs."""
    server.replies = [reply]
    environ = environment(server, tmp_path, **PATIENT)
    with started("span('last'); print('ready', flush=True)\ntime.sleep(60)", environ) as process:
        assert ready(process) == "ready"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == -signal.SIGTERM
    assert "last" in [span.name for span in server.spans()]


@pytest.mark.parametrize("reply", [GrpcReply(), GrpcReply(hang=True), GrpcReply(14)])
def test_sigterm_is_died_of_in_time_with_grpc_too(tmp_path: Path, reply: GrpcReply) -> None:
    """The other transport changes nothing of it."""
    with GrpcServer().running() as server:
        server.replies = [reply]
        environ = environment(server, tmp_path, OTEL_EXPORTER_OTLP_PROTOCOL="grpc", **PATIENT)
        with started("span('last'); print('ready', flush=True)\ntime.sleep(60)", environ) as process:
            assert ready(process) == "ready"
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == -signal.SIGTERM
        assert "last" in [span.name for span in server.spans()]


def test_an_app_s_own_handler_of_sigterm_is_used(server: OtlpServer, tmp_path: Path) -> None:
    """It replaces ours as it would replace the default, and the exit that follows flushes."""
    program = """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
span('last')
print('ready', flush=True)
time.sleep(60)
"""
    with started(program, environment(server, tmp_path)) as process:
        assert ready(process) == "ready"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 9
    assert [span.name for span in server.spans()] == ["last"]


def test_a_server_that_hangs_delays_the_exit_by_the_timeout_only(server: OtlpServer, tmp_path: Path) -> None:
    """OTEL_DISTRO_SHUTDOWN_TIMEOUT is for all signals together."""
    server.replies = [Reply(hang=True)]
    program = "orders.add(1)\nspan('last')\nprint(time.time(), flush=True)"
    environ = environment(server, tmp_path, OTEL_DISTRO_SHUTDOWN_TIMEOUT="1", **PATIENT)
    assert ended(program, environ, timeout=30).returncode == 0


def test_the_app_s_own_reader_and_processor_end_with_the_process(server: OtlpServer, tmp_path: Path) -> None:
    """A short program with a batch processor and a periodic reader of its own loses nothing at the exit."""
    program = """
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
trace.get_tracer_provider().add_span_processor(BatchSpanProcessor(ConsoleSpanExporter()))
metrics.get_meter_provider().add_metric_reader(PeriodicExportingMetricReader(ConsoleMetricExporter()))
orders.add(3)
span('last')
"""
    done = ended(program, environment(server, tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert '"name": "last"' in done.stdout
    assert '"name": "orders"' in done.stdout
    assert [span.name for span in server.spans()] == ["last"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_what_multiprocessing_s_children_emit_is_sent(server: OtlpServer, tmp_path: Path, method: str) -> None:
    """They end without the interpreter's exit, but not without ours; the parent's records are its own."""
    script = tmp_path / "script.py"
    script.write_text(f"""
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from opentelemetry import trace

def work(number):
    trace.get_tracer("app").start_span(f"child {{number}}").end()
    return number

if __name__ == "__main__":
    trace.get_tracer("app").start_span("parent").end()
    context = multiprocessing.get_context("{method}")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(work, range(4))) == [0, 1, 2, 3]
    alone = context.Process(target=work, args=(4,))
    alone.start()
    alone.join()
    assert alone.exitcode == 0
""")
    done = subprocess.run(
        [PROGRAMS / "opentelemetry-instrument", sys.executable, str(script)],
        env=environment(server, tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(span.name for span in server.spans()) == [*(f"child {n}" for n in range(5)), "parent"]


def test_other_people_s_slow_exporters_keep_to_the_deadline(server: OtlpServer, tmp_path: Path) -> None:
    """Upstream's gRPC exporters retry for ten seconds each; the process ends after the timeout all the same."""
    grpc = {"OTEL_TRACES_EXPORTER": "otlp_proto_grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    program = "span('last')\nprint(time.time())"
    done = ended(program, environment(server, tmp_path) | grpc | {"OTEL_DISTRO_SHUTDOWN_TIMEOUT": "1"})
    assert done.returncode == 0
    assert time() - float(done.stdout) < 10  # upstream alone takes over twenty


def test_the_deadline_is_spent_once(server: OtlpServer, tmp_path: Path) -> None:
    """A flush that gave up (at the end of the lifespan) leaves the exit that follows one short last try."""
    server.replies = [Reply(hang=True)]
    environ = environment(server, tmp_path, OTEL_DISTRO_SHUTDOWN_TIMEOUT="120", **PATIENT)
    done = ended("span('last'); print(pipeline.worker.flush(500))", environ, timeout=30)
    assert (done.returncode, done.stdout) == (0, "False\n")
