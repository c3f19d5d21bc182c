"""Loki: the server with the shipped configuration, and its HTTP API."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.e2e.compose import flags
from tests.e2e.server import ROOT, Server, answers
from tools.backends import program


@dataclass(frozen=True)
class Line:
    """One log line; `labels` are its stream's labels and its own structured metadata."""

    timestamp: int
    text: str
    labels: dict[str, str]


class Loki:
    """A running Loki."""

    def __init__(self, folder: Path, port: int, grpc_port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._client = httpx.Client(base_url=f"{self.url}/loki/api/v1", timeout=10, trust_env=False)
        environment = {
            "LOKI_ADDRESS": "127.0.0.1",
            "LOKI_HTTP_PORT": str(port),
            "LOKI_GRPC_PORT": str(grpc_port),
            "LOKI_DATA": str(folder / "data"),
        }
        command = [program("loki"), *flags("loki", config_file=str(ROOT / "deploy" / "loki" / "loki.yaml"))]
        self.server = Server(command, folder, lambda: answers(f"{self.url}/ready"), environment)

    def stop(self) -> None:
        """Stop the server."""
        self._client.close()
        self.server.stop()

    def lines(self, logql: str, minutes: int = 60) -> list[Line]:
        """Return the lines of a query in the order of their times."""
        now = time.time_ns()
        parameters: dict[str, str | int] = {
            "query": logql,
            "start": now - minutes * 60 * 10**9,
            "end": now + 60 * 10**9,
            "limit": 5000,
        }
        answer = self._client.get("query_range", params=parameters)
        assert answer.status_code == httpx.codes.OK, answer.text
        streams = answer.json()["data"]["result"]
        lines = [Line(int(at), text, row["stream"]) for row in streams for at, text in row["values"]]
        return sorted(lines, key=lambda line: line.timestamp)

    def request(self, request_id: str) -> list[Line]:
        """Return every line of every service that belongs to a request."""
        return self.lines(f'{{service_name=~".+"}} | request_id="{request_id}"')
