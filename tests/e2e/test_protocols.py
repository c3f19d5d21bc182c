"""HTTP and gRPC into a real Collector: the same telemetry arrives by either, from a process's start to its SIGTERM."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_distro.config import load
from otel_distro.config_otlp import Otlp
from otel_distro.exporter.grpc import GrpcTransport
from otel_distro.exporter.split import SplittingTransport
from otel_distro.exporter.transport import Answer, HttpTransport, Result
from tests.e2e.server import Server, answers, free_ports
from tests.e2e.waiting import wait_for
from tools.backends import program

PROTOCOLS = ("http/protobuf", "grpc")
REQUESTS = 100
TOKEN = "the-token"
CONFIG = """
extensions:
  health_check: {{endpoint: "127.0.0.1:{health}"}}
  bearertokenauth/in: {{token: "{token}"}}
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: "127.0.0.1:{grpc}"
        auth: {{authenticator: bearertokenauth/in}}
        max_recv_msg_size_mib: 1
        keepalive: {{server_parameters: {{max_connection_age: 1s}}}}
      http:
        endpoint: "127.0.0.1:{http}"
        auth: {{authenticator: bearertokenauth/in}}
        max_request_body_size: 1048576
exporters:
  file/traces: {{path: "{folder}/traces", flush_interval: 100ms}}
  file/logs: {{path: "{folder}/logs", flush_interval: 100ms}}
  file/metrics: {{path: "{folder}/metrics", flush_interval: 100ms}}
service:
  extensions: [health_check, bearertokenauth/in]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file/traces]}}
    logs: {{receivers: [otlp], exporters: [file/logs]}}
    metrics: {{receivers: [otlp], exporters: [file/metrics]}}
"""
APP = """
import logging
from fastapi import FastAPI
app = FastAPI()

@app.get("/items/{number}")
async def item(number: int) -> int:
    logging.getLogger("app").warning("item %d", number)
    return number
"""


@dataclass
class Files:
    """What a Collector wrote, and where it listens."""

    folder: Path
    ports: dict[str, int]

    def otlp(self, protocol: str, token: str = TOKEN) -> dict[str, str]:
        """The variables that lead to it."""
        return {
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.ports[protocol]}",
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {token}",
        }

    def of(self, signal: str, service: str) -> list[dict[str, Any]]:
        """All spans, log records or metrics of a service."""
        groups, scopes, items = {
            "traces": ("resourceSpans", "scopeSpans", "spans"),
            "logs": ("resourceLogs", "scopeLogs", "logRecords"),
            "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
        }[signal]
        path = self.folder / signal
        lines = path.read_text().split("\n")[:-1] if path.exists() else []  # the last one may be half written
        return [
            item
            for line in lines
            for group in json.loads(line)[groups]
            if {"key": "service.name", "value": {"stringValue": service}} in group["resource"]["attributes"]
            for scope in group[scopes]
            for item in scope[items]
        ]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    """A Collector that asks for a token, takes at most 1 MiB, and closes gRPC connections that are a second old."""
    folder = tmp_path_factory.mktemp("collector")
    health, grpc, http = free_ports(3)
    text = CONFIG.format(health=health, grpc=grpc, http=http, folder=folder, token=TOKEN)
    (folder / "config.yaml").write_text(text)
    command = [program("otelcol-contrib"), "--config", folder / "config.yaml"]
    server = Server(command, folder, lambda: answers(f"http://127.0.0.1:{health}"))
    server.start()
    yield Files(folder, {"grpc": grpc, "http/protobuf": http})
    server.stop()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_all_of_an_app_s_telemetry_arrives(files: Files, tmp_path: Path, protocol: str) -> None:
    """Spans, log lines and counts of requests are as many as were asked for, the last ones sent at SIGTERM."""
    (tmp_path / "served.py").write_text(APP)
    (port,) = free_ports(1)
    service = f"by-{protocol.partition('/')[0]}"
    environ = {**files.otlp(protocol), "OTEL_SERVICE_NAME": service, "PYTHONPATH": str(tmp_path)}
    bin_folder = Path(sys.executable).parent
    command = [bin_folder / "opentelemetry-instrument", bin_folder / "uvicorn", "served:app", "--port", port]
    server = Server(command, tmp_path, lambda: answers(f"http://127.0.0.1:{port}/openapi.json"), environ)
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        for number in range(REQUESTS):
            assert client.get(f"/items/{number}").json() == number
    server.stop()
    assert "can't be delivered" not in server.text

    def arrived() -> tuple[int, int, int]:
        spans = Counter(span["name"] for span in files.of("traces", service))
        bodies = Counter(record["body"]["stringValue"] for record in files.of("logs", service))
        points = [
            int(point.get("count", 0))
            for metric in files.of("metrics", service)
            if metric["name"] == "http.server.request.duration"
            for point in metric["histogram"]["dataPoints"]
            if {"key": "http.route", "value": {"stringValue": "/items/{number}"}} in point["attributes"]
        ]
        lines = sum(bodies[f"item {number}"] for number in range(REQUESTS))
        return spans["GET /items/{number}"], lines, max(points, default=0)

    wait_for(lambda: arrived() == (REQUESTS,) * 3, lambda: f"{REQUESTS} of each, not {arrived()}", 15)


def transport(otlp: Otlp) -> HttpTransport | GrpcTransport:
    """By the protocol of the settings."""
    return GrpcTransport(otlp, "traces") if otlp.protocol == "grpc" else HttpTransport(otlp)


def spans(service: str, count: int, first: int = 0) -> bytes:
    """A request of so many spans, numbered by their names, of a kilobyte that does not compress."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = service
    scope = group.scope_spans.add()
    for number in range(first, first + count):
        noise = os.urandom(500).hex()
        scope.spans.add(name=f"{number}", trace_id=os.urandom(16), span_id=os.urandom(8), trace_state=noise)
    return request.SerializeToString()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_the_collector_finds_too_large_arrives_in_pieces(files: Files, protocol: str) -> None:
    """Each span once, in order; 3 MiB are sent to a Collector that takes one."""
    service = f"large-by-{protocol.partition('/')[0]}"
    inner = transport(load(files.otlp(protocol)).otlp["traces"])
    payload = spans(service, 3000)
    assert inner.send(payload, 10).result is Result.TOO_LARGE
    assert SplittingTransport(inner, "traces").send(payload, 10) == Answer(Result.SUCCESS)
    expected = [str(number) for number in range(3000)]
    wait_for(lambda: [span["name"] for span in files.of("traces", service)] == expected, "3000 spans", 15)
    inner.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_wrong_token_is_told_in_the_collector_s_words(files: Files, protocol: str) -> None:
    """And is no reason to try again."""
    inner = transport(load(files.otlp(protocol, "another")).otlp["traces"])
    answer = inner.send(spans("nobody", 1), 10)
    assert answer.result is Result.FAILURE
    assert "provided authorization does not match expected scheme or token" in answer.reason
    assert answer.reason.endswith("(OTEL_EXPORTER_OTLP_HEADERS)")
    inner.close()


def test_connections_that_the_collector_closes_lose_and_double_nothing(files: Files) -> None:
    """By gRPC it asks to leave an old connection while calls are under way; here each second."""
    inner = GrpcTransport(load(files.otlp("grpc")).otlp["traces"], "traces")
    connections: list[object] = []
    sent = 0
    while len(connections) < 4:
        assert inner.send(spans("patient", 1, sent), 10) == Answer(Result.SUCCESS)
        sent += 1
        if inner._http2 not in connections:
            connections.append(inner._http2)
    inner.close()
    expected = [f"{number}" for number in range(sent)]
    wait_for(lambda: len(files.of("traces", "patient")) >= sent, f"{sent} spans", 15)
    assert [span["name"] for span in files.of("traces", "patient")] == expected
