"""A vendor's package as if installed, and a server that takes what it sends."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.exporter.server import OtlpServer
from tests.instrumented import Outcome, instrumented
from tests.pipeline.conftest import observe

__all__ = ["observe"]

ENTRY_POINTS = """
[opentelemetry_traces_exporter]
vendor = vendor:ZipkinExporter
[opentelemetry_logs_exporter]
vendor = vendor:LogExporter
[opentelemetry_metrics_exporter]
vendor = vendor:CountExporter
[opentelemetry_configurator]
vendor = vendor:Configurator
"""
Run = Callable[..., Outcome]


@pytest.fixture
def server() -> Iterator[OtlpServer]:
    """Our collector, and the vendor's server."""
    with OtlpServer().running() as running:
        yield running


@pytest.fixture
def run(server: OtlpServer, tmp_path: Path) -> Run:
    """Runs a script under `opentelemetry-instrument`, with the vendor's package installed, and OTLP to the server."""
    info = tmp_path / "vendor-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vendor\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    vendor = tmp_path / "vendor.py"
    vendor.write_text((Path(__file__).parent / "vendor.py").read_text("utf-8"))

    def run(script: str, **more: str) -> Outcome:
        environ = {"VENDOR_URL": server.url, "PYTHONPATH": str(tmp_path), "OTEL_DISTRO_LOG_FORMAT": "json"} | more
        outcome = instrumented(script, server, **environ)
        assert outcome.code == 0, outcome.err
        return outcome

    return run


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def posted(server: OtlpServer, path: str) -> list[Any]:
    """What came to this path of the vendor's server, by request."""
    return [json.loads(one.payload) for one in server.received if one.path == path]
