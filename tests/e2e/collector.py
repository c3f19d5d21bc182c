"""The Collector: the shipped configuration under the overlay for tests."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.server import ROOT, Server, answers, free_ports
from tools.backends import program


@dataclass(frozen=True)
class Ports:
    """Where the Collector listens."""

    grpc: int
    http: int
    health: int
    metrics: int

    @classmethod
    def free(cls) -> Ports:
        """Four ports that nobody uses."""
        return cls(*free_ports(4))


@dataclass(frozen=True)
class Collector:
    """A running Collector; it samples everything unless a test asks for the shipped percentage."""

    folder: Path
    ports: Ports
    stores: Mapping[str, int]
    sampling_percentage: int | None = 100
    token: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def endpoint(self) -> str:
        """What OTEL_EXPORTER_OTLP_ENDPOINT is to be."""
        return f"http://127.0.0.1:{self.ports.http}"

    @property
    def traces(self) -> Path:
        """The file exporter's file."""
        return self.folder / "data" / "traces.jsonl"

    def server(self) -> Server:
        """Make the server process, not yet started."""
        (self.folder / "data").mkdir(parents=True)
        (self.folder / "tokens").write_text(f"another-app\n{self.token}\n")
        shipped = ROOT / "collector"
        command: list[object] = [program("otelcol-contrib")]
        command += ["--config", shipped / "config.yaml", "--config", shipped / "overlays" / "test.yaml"]
        if "TEMPO_OTLP_PORT" in self.stores:
            command += [
                "--config",
                "yaml:service::pipelines::traces/sample::exporters: [file/traces, otlp_grpc/tempo]",
            ]
        health = f"http://127.0.0.1:{self.ports.health}"
        return Server(command, self.folder, lambda: answers(health), self._environment())

    def _environment(self) -> dict[str, str]:
        environment = {
            "GOMEMLIMIT": "307MiB",
            "REDACTION_HMAC_KEY": secrets.token_hex(32),
            "OTELCOL_DATA": str(self.folder / "data"),
            "OTELCOL_TOKENS": str(self.folder / "tokens"),
            "OTELCOL_GRPC_PORT": str(self.ports.grpc),
            "OTELCOL_HTTP_PORT": str(self.ports.http),
            "OTELCOL_HEALTH_PORT": str(self.ports.health),
            "OTELCOL_METRICS_PORT": str(self.ports.metrics),
            **{name: str(port) for name, port in self.stores.items()},
        }
        if self.sampling_percentage is not None:
            environment["TRACE_SAMPLING_PERCENTAGE"] = str(self.sampling_percentage)
        return environment

    def send(self, signal: str, payload: dict[str, Any], token: str | None = None) -> int:
        """Post OTLP JSON; return the status code."""
        headers = {"authorization": f"Bearer {self.token if token is None else token}"}
        url = f"{self.endpoint}/v1/{signal}"
        return httpx.post(url, json=payload, headers=headers, timeout=10, trust_env=False).status_code
