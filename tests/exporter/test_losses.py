"""What can't be kept is told, to the last item: by the metrics that leave, or by one line after them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otel_distro.exporter.frame import decode
from tests.exporter.server import OtlpServer, Reply
from tests.exporter.spools import files
from tests.pipeline.program import ended, environment

pytestmark = pytest.mark.integration

COUNT = 4000
PROGRAM = f"""
for number in range({COUNT}):
    tracer.start_span("one", attributes={{"k": "v" * 100}}).end()
    if number % 500 == 0:
        time.sleep(0.1)
"""
_DEAD = "http://127.0.0.1:1"
_LINE = "telemetry is lost at the end, and no metric says so: "


@pytest.fixture
def collector() -> Iterator[OtlpServer]:
    """Takes metrics; spans, as it is told."""
    with OtlpServer().running() as server:
        yield server


def counted(server: OtlpServer) -> int:
    """Lost spans by the last metrics that arrived."""
    found = server.metrics("otel_distro.records.dropped")
    points = found[-1].sum.data_points if found else ()
    return sum(
        int(point.as_int) for point in points if any(pair.value.string_value == "traces" for pair in point.attributes)
    )


def told(stderr: str) -> int:
    """Lost spans by the line at the end; there is one at most."""
    lines = [line for line in stderr.splitlines() if _LINE in line]
    assert len(lines) <= 1
    return sum(map(int, re.findall(r"(\d+) traces \(", lines[0]))) if lines else 0


def on_disk(folder: Path) -> int:
    """Spans that wait there for the next process."""
    frames = [frame for path in files(folder) for frame in decode("traces", path.read_bytes()).frames]
    return sum(frame.items for frame in frames)


@pytest.mark.parametrize(
    ("cause", "more"),
    [
        ("spool_full", {"OTEL_DISTRO_SPOOL_MAX_BYTES": "200000"}),
        ("too_old", {"OTEL_DISTRO_SPOOL_MAX_AGE": "0.001"}),
        ("shutdown", {"OTEL_DISTRO_SPOOL_MAX_BYTES": "0"}),
        ("queue_full", {"OTEL_DISTRO_SPOOL_MAX_BYTES": "0", "OTEL_DISTRO_BUFFER_BYTES": "200000"}),
    ],
)
def test_nobody_takes_the_spans(collector: OtlpServer, tmp_path: Path, cause: str, more: dict[str, str]) -> None:
    """Each span waits on disk, or is counted by the last metrics, or by the line at the end."""
    quiet = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": _DEAD, "OTEL_DISTRO_LOG_FORMAT": "app", **more}
    done = ended(PROGRAM, environment(collector, tmp_path, **quiet))
    lost = counted(collector) + told(done.stderr)
    assert on_disk(tmp_path) + lost == COUNT
    assert cause in done.stderr or counted(collector)
    assert lost > 0


def test_what_the_receiver_rejects_at_the_end(collector: OtlpServer, tmp_path: Path) -> None:
    """All that arrive and are not taken are counted, or told."""
    refusal = ExportTraceServiceResponse(partial_success={"rejected_spans": COUNT})  # type: ignore[arg-type]
    with OtlpServer().running() as strict:
        strict.replies = [Reply(200, (("Content-Type", "application/x-protobuf"),), refusal.SerializeToString())]
        where = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{strict.url}/v1/traces", "OTEL_DISTRO_LOG_FORMAT": "app"}
        done = ended(PROGRAM, environment(collector, tmp_path, **where))
        assert len(strict.spans()) == COUNT
    assert counted(collector) + told(done.stderr) == COUNT
    assert "rejected" in done.stderr


def test_metrics_that_are_lost_tell_nothing(tmp_path: Path) -> None:
    """Where no metrics arrive either, the line counts every loss."""
    nothing = {"OTEL_EXPORTER_OTLP_ENDPOINT": _DEAD, "OTEL_DISTRO_SPOOL_MAX_BYTES": "0"}
    with OtlpServer().running() as unused:
        environ = environment(unused, tmp_path, **nothing, OTEL_DISTRO_LOG_FORMAT="app")
    done = ended(f"span('early')\npipeline.worker.flush(500)\n{PROGRAM}", environ)
    assert told(done.stderr) == COUNT + 1


def test_a_process_that_loses_nothing_says_nothing(collector: OtlpServer, tmp_path: Path) -> None:
    """What the sampler drops is no loss."""
    sampled = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}
    done = ended(PROGRAM, environment(collector, tmp_path, **sampled, OTEL_DISTRO_LOG_FORMAT="app"))
    assert done.stderr == ""
    assert 0 < len(collector.spans()) < COUNT
