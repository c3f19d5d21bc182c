"""A script as a user runs it: under `opentelemetry-instrument`, with an OTLP receiver that keeps its log records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import dedent
from threading import Thread
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue

_TIMEOUT = 60


@dataclass
class Sent:
    """A log record as it came by OTLP."""

    scope: str
    body: str
    level: str
    severity: int
    trace_id: str
    attributes: dict[str, Any]


@dataclass
class Outcome:
    """What a script did: exit code, what it printed, and which log records it sent."""

    code: int
    stdout: str
    stderr: str
    records: list[Sent] = field(default_factory=list)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines among what was printed to stdout."""
        return [json.loads(line) for line in self.stdout.splitlines() if line.startswith("{")]

    def printed(self, message: str) -> list[dict[str, Any]]:
        """The JSON lines with this message."""
        return [line for line in self.lines if line["message"] == message]

    def sent(self, body: str) -> list[Sent]:
        """The records with this body."""
        return [record for record in self.records if record.body == body]


class Receiver:
    """An OTLP/HTTP endpoint on a free port; anything but logs is taken and forgotten."""

    def __init__(self) -> None:
        records: list[Sent] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/logs":
                    records.extend(_records(ExportLogsServiceRequest.FromString(body)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
                """Quiet."""

        self.records = records
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def run(script: str, folder: Path, **environment: str) -> Outcome:
    """Run a script to its end."""
    receiver = Receiver()
    path = folder / "app.py"
    path.write_text(dedent(script), "utf-8")
    try:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("opentelemetry-instrument")), sys.executable, str(path)],
            env={**clean_environment(receiver.endpoint), **environment},
            cwd=folder,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    finally:
        receiver.close()
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode(), receiver.records)


def clean_environment(endpoint: str) -> dict[str, str]:
    """This environment without telemetry settings of its own, sending to the endpoint."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_") and key != "LOG_LEVEL"}
    return {
        **inherited,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "celery,fastapi,httpx,httpx2,sqlalchemy",
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_RESOURCE_ATTRIBUTES": "service.version=1.2,deployment.environment.name=test",
    }


def _records(request: ExportLogsServiceRequest) -> Iterator[Sent]:
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                yield Sent(
                    scope.scope.name,
                    record.body.string_value,
                    record.severity_text,
                    record.severity_number,
                    record.trace_id.hex(),
                    {item.key: _value(item.value) for item in record.attributes},
                )


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return None if kind is None else getattr(value, kind)
