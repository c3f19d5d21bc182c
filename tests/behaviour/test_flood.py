"""An app that makes more telemetry than leaves: it answers, its memory is bounded, its errors arrive."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from otel_distro.semconv import own
from tests.e2e.waiting import wait_for
from tests.examples.shop_process import Program
from tests.exporter.server import OtlpServer, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration
MIB = 1 << 20
WARM, FLOOD = 100, 1000
UVICORN = (
    "uvicorn",
    "--app-dir",
    str(Path(__file__).parent),
    "flooded_app:app",
    "--host",
    "127.0.0.1",
    "--port",
    "0",
)


@pytest.fixture
def collector() -> Iterator[OtlpServer]:
    """One that takes nothing, for now."""
    with OtlpServer().running() as server:
        server.replies = [Reply(503)]
        yield server


@pytest.fixture
def app(collector: OtlpServer, tmp_path: Path) -> Iterator[Program]:
    """With 4 MiB of memory for each signal, and no disk."""
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_DISTRO_CACHE_DIR": str(tmp_path / "cache"),
        "OTEL_DISTRO_SPOOL_MAX_BYTES": "0",
        "OTEL_DISTRO_BUFFER_BYTES": "4MiB",
        "OTEL_DISTRO_LOG_FORMAT": "app",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "64",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
    }
    program = Program(UVICORN, tmp_path, tmp_path / "web.log", **environment)
    try:
        yield program
    finally:
        program.process.kill()
        program.process.wait()


def _rss(program: Program) -> int:
    pages = int(Path(f"/proc/{program.process.pid}/statm").read_text("utf-8").split()[1])
    return pages * resource.getpagesize()


def _errors(collector: OtlpServer) -> set[str]:
    return {one.body.string_value for one in collector.log_records() if one.body.string_value.startswith("lost")}


def _shed(collector: OtlpServer) -> int:
    found = [
        point.as_int
        for metric in collector.metrics(own.DROPPED.name)
        for point in metric.sum.data_points
        if {one.key: one.value.string_value for one in point.attributes}
        == {own.SIGNAL.key: "logs", own.CAUSE.key: "shed"}
    ]
    return max(found, default=0)


def test_a_flooded_app_answers_within_its_memory_and_its_errors_arrive(app: Program, collector: OtlpServer) -> None:
    """A hundred megabytes of lines against a collector that is away: DEBUG is given up and counted, no error is."""
    url = wait_for(lambda: app.said(r"Uvicorn running on (\S+)"), "the app").group(1)  # type: ignore[union-attr]
    with httpx.Client(base_url=url, timeout=60) as client:
        statuses = {client.get(f"/order/{number}").status_code for number in range(WARM)}
        before = _rss(app)
        statuses |= {client.get(f"/order/{number}").status_code for number in range(WARM, FLOOD)}
    assert statuses == {200}
    # queues of logs and spans, the records before them, and as much again for what is being encoded
    assert _rss(app) - before < 24 * MIB
    collector.replies = [Reply()]
    wait_for(
        lambda: len(_errors(collector)) == FLOOD // 10,
        lambda: f"{FLOOD // 10} errors, not {len(_errors(collector))}",
        90,
    )
    wait_for(lambda: _shed(collector) > 0, "a count of what was given up", 60)
    said = app.log.read_text("utf-8")
    assert "memory for it (OTEL_DISTRO_BUFFER_BYTES) is scarce" in said
    assert "Traceback" not in said
