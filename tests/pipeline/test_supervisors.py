"""Processes that only watch others are no instance of the service: they print, and export nothing."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.e2e.waiting import wait_for
from tests.exporter.requests import attributes
from tests.exporter.server import OtlpServer
from tests.instrumented import PROGRAMS
from tests.pipeline.program import environment

pytestmark = pytest.mark.integration

APP = """
import os
from fastapi import FastAPI
app = FastAPI()

@app.get("/pid")
def pid():
    return os.getpid()
"""


@pytest.mark.parametrize(("arguments", "workers"), [(["--workers", "2"], 2), (["--reload"], 1)])
def test_uvicorn_s_parent_is_silent(server: OtlpServer, tmp_path: Path, arguments: list[str], workers: int) -> None:
    """Its lines are printed; telemetry comes from the workers alone, each with a slot of its own from the first on."""
    (tmp_path / "served.py").write_text(APP)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
    command = [PROGRAMS / "opentelemetry-instrument", sys.executable, "-m", "uvicorn", "served:app", "--port", port]
    environ = environment(server, tmp_path / "state", OTEL_METRIC_EXPORT_INTERVAL="200")
    process = subprocess.Popen(
        [*command, *arguments], cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        answered = {wait_for(lambda: _pid(port), "an answer", 20) for _ in range(5)}
        wait_for(lambda: len(_instances(server, "metrics")) >= workers, "metrics of each worker", 20)
    finally:
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=30)[0]
    assert answered
    assert str(process.pid) not in answered
    assert len(_instances(server, "metrics")) == workers
    assert _instances(server, "logs") <= _instances(server, "metrics")
    assert [span.name for span in server.spans()] == ["GET /pid"] * 5, output
    assert f"process [{process.pid}]" in output
    assert not [record for record in server.log_records() if str(process.pid) in record.body.string_value]


def _pid(port: str) -> str:
    try:
        with urlopen(f"http://127.0.0.1:{port}/pid", timeout=5) as answer:
            found: bytes = answer.read()
            return found.decode()
    except OSError:
        return ""


def _instances(server: OtlpServer, signal_name: str) -> set[str]:
    return {attributes(resource.attributes)["service.instance.id"] for resource, _ in server.scopes(signal_name)}
