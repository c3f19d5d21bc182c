"""Prometheus: the server with the shipped configuration, and its HTTP API."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.compose import flags
from tests.e2e.server import ROOT, Server, answers
from tools.backends import program


@dataclass(frozen=True)
class Sample:
    """One value of one series."""

    labels: dict[str, str]
    timestamp: float
    value: float


class Prometheus:
    """A running Prometheus."""

    def __init__(self, folder: Path, port: int, scraped: dict[str, int]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._client = httpx.Client(base_url=f"{self.url}/api/v1", timeout=10, trust_env=False)
        configuration = folder / "config"
        shutil.copytree(ROOT / "deploy" / "prometheus", configuration)
        self._point_at_loopback(configuration / "prometheus.yaml", scraped)
        changed = flags(
            "prometheus",
            config_file=str(configuration / "prometheus.yaml"),
            storage_tsdb_path=str(folder / "data"),
        )
        command = [program("prometheus"), *changed, f"--web.listen-address=127.0.0.1:{port}"]
        self.server = Server(command, folder, lambda: answers(f"{self.url}/-/ready"))

    def stop(self) -> None:
        """Stop the server."""
        self._client.close()
        self.server.stop()

    @staticmethod
    def _point_at_loopback(file: Path, scraped: dict[str, int]) -> None:
        """Replace the scraped hosts of the compose network; nothing else changes."""
        text = file.read_text()
        for target, port in scraped.items():
            assert target in text, f"{file.name} no longer scrapes {target}"
            text = text.replace(target, f"127.0.0.1:{port}")
        file.write_text(text)

    def query(self, promql: str, at: float | None = None) -> list[Sample]:
        """Evaluate an instant query, now or at a time."""
        result = self._get("query", {"query": promql} | ({} if at is None else {"time": f"{at:.3f}"}))["result"]
        return [Sample(row["metric"], float(row["value"][0]), float(row["value"][1])) for row in result]

    def samples(self, selector: str, window: str = "1h") -> list[list[Sample]]:
        """Return the stored samples of every matching series, oldest first."""
        result = self._get("query", {"query": f"{selector}[{window}]"})["result"]
        return [[Sample(row["metric"], float(at), float(value)) for at, value in row["values"]] for row in result]

    def exemplars(self, selector: str) -> list[dict[str, str]]:
        """Return the labels (trace_id, span_id) of a selector's exemplars."""
        series = self._get("query_exemplars", {"query": selector, "start": "0", "end": "9999999999"})
        return [exemplar["labels"] for row in series for exemplar in row["exemplars"]]

    def increase(self, selector: str, window: str = "1h") -> float:
        """Evaluate sum(increase()) at the last sample of the selected series.

        There it is exact: nothing is to be extrapolated at the end, nor at the start, where it is zero.
        """
        last = self.query(f"max(timestamp({selector}))")
        if not last:
            return 0.0
        result = self.query(f"sum(increase({selector}[{window}]))", at=last[0].value)
        return result[0].value if result else 0.0

    def total(self, selector: str) -> float:
        """Return the sum of the selected series now."""
        result = self.query(f"sum({selector})")
        return result[0].value if result else 0.0

    def _get(self, path: str, parameters: dict[str, str]) -> Any:
        answer = self._client.get(path, params=parameters)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()["data"]
