"""Metrics of a process that is killed: at the default interval, what it counted until its last checkpoint arrives."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import NumberDataPoint

from tests.e2e.waiting import wait_for
from tests.exporter.server import OtlpServer
from tests.pipeline.program import ended, environment, ready, started

pytestmark = pytest.mark.integration

OFTEN = """
from otel_distro.pipeline import collection
collection.CHECKPOINT_SECONDS = 0.2
orders.add(0)
"""
COUNTING = f"""{OFTEN}
while True:
    orders.add(1)
    print(1, flush=True)
    time.sleep(0.01)
"""
FLUSHED = f"""{OFTEN}
from pathlib import Path
orders.add(5)
while not list(Path(os.environ["OTEL_DISTRO_CACHE_DIR"]).rglob("*.kept")):
    time.sleep(0.01)
collection.CHECKPOINT_SECONDS = 1e9
pipeline.worker.flush(10000)
print("flushed", flush=True)
time.sleep(60)
"""
IN_PASSING = """
gauge = metrics.get_meter("app").create_gauge("told")
calls = []

def seen(options):
    calls.append(1)
    return [metrics.Observation(len(calls))]

metrics.get_meter("app").create_observable_counter("seen", [seen])
gauge.set(7)
with tracer.start_as_current_span("one"):
    orders.add(3)
reader = pipeline.worker.outputs.reader
while not reader.sender.spool.kept.file:
    reader.checkpoint()
    time.sleep(0.01)
assert not calls
"""
ONLY_METRICS = {"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none", "OTEL_DISTRO_LOG_FORMAT": "app"}


def kept(folder: Path) -> list[Path]:
    """Checkpoints on disk."""
    return list(folder.rglob("*.kept"))


def points(server: OtlpServer, name: str = "orders") -> list[NumberDataPoint]:
    """What came of a counter, in order."""
    return [point for metric in server.metrics(name) for point in metric.sum.data_points]


def test_the_next_process_sends_what_a_killed_one_had_counted(tmp_path: Path) -> None:
    """SIGKILL long before the first export: the counter, with its zero point, and no count that was not made."""
    with OtlpServer().running() as server:
        environ = environment(server, tmp_path, **ONLY_METRICS)
        with started(COUNTING, environ) as process:
            wait_for(lambda: kept(tmp_path), "a checkpoint", 20)
            first = kept(tmp_path)
            wait_for(lambda: kept(tmp_path) not in ([], first), "the next checkpoint", 20)
            process.kill()
            made = 1 + process.communicate()[0].count("1")
        assert not server.received
        assert ended("orders.add(1000)", environ).returncode == 0
        killed = [point for point in points(server) if 0 < point.as_int < 1000]
        zeros = [point for point in points(server) if not point.as_int]
    assert 0 < killed[-1].as_int <= made
    assert zeros[0].start_time_unix_nano == killed[0].start_time_unix_nano
    assert kept(tmp_path) == []


def test_an_export_covers_the_checkpoint(tmp_path: Path) -> None:
    """What was exported since is not sent again: killed right after it, the process leaves nothing."""
    with OtlpServer().running() as server:
        environ = environment(server, tmp_path, **ONLY_METRICS)
        with started(FLUSHED, environ) as process:
            assert ready(process) == "flushed"
            assert kept(tmp_path) == []
        assert ended("orders.add(1000)", environ).returncode == 0
    assert [point.as_int for point in points(server)] == [0, 5, 0, 1000]


def test_a_checkpoint_is_read_in_passing(tmp_path: Path) -> None:
    """The export that comes later has the gauge, the exemplar and the zero point; no callback was called before it."""
    with OtlpServer().running() as server:
        done = ended(IN_PASSING, environment(server, tmp_path, **ONLY_METRICS))
    assert done.returncode == 0, done.stderr
    assert [point.as_int for point in points(server)] == [0, 3]
    assert len(points(server)[-1].exemplars) == 1
    assert [point.as_int for metric in server.metrics("told") for point in metric.gauge.data_points] == [7]
    assert points(server, "seen")[-1].as_int == 1
    assert kept(tmp_path) == []


@pytest.mark.parametrize(
    "more", [{"OTEL_DISTRO_SPOOL_MAX_BYTES": "0"}, {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"}]
)
def test_no_checkpoint_where_it_could_not_be_sent_once(tmp_path: Path, more: dict[str, str]) -> None:
    """Not without a spool, nor of deltas, which whoever gets them twice adds up."""
    program = "orders.add(3)\npipeline.worker.outputs.reader.checkpoint()\nprint(1, flush=True)\norders.add(4)"
    with OtlpServer().running() as server:
        done = ended(program, environment(server, tmp_path, **ONLY_METRICS, **more))
    assert done.returncode == 0, done.stderr
    assert points(server)[-1].as_int == 7
    assert kept(tmp_path) == []
