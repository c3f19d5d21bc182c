"""Where telemetry arrives: a Collector that writes spans and log records to files, and a Prometheus behind it."""

from __future__ import annotations

import time
from pathlib import Path

import httpx

from tests.e2e import otlp
from tests.e2e.prometheus import Prometheus
from tests.e2e.server import Server, answers, free_ports
from tests.e2e.waiting import wait_for
from tests.reliability.arrival import Arrivals
from tools.backends import program

_CONFIG = Path(__file__).parent / "collector.yaml"
_SENTINEL = "sentinel"


class Station:
    """The servers of the whole run; each case is told apart by its service's name."""

    def __init__(self, folder: Path) -> None:
        grpc, http, health, prometheus = free_ports(4)
        self.endpoint = f"http://127.0.0.1:{http}"
        self.grpc_endpoint = f"http://127.0.0.1:{grpc}"
        self.arrivals = Arrivals(folder / "collector" / "traces.jsonl", folder / "collector" / "logs.jsonl")
        self._sentinels = 0
        for room in ("collector", "prometheus"):
            (folder / room).mkdir()
        self.prometheus = Prometheus(folder / "prometheus", prometheus, {})
        environment = {
            "OTELCOL_GRPC_PORT": str(grpc),
            "OTELCOL_HTTP_PORT": str(http),
            "OTELCOL_HEALTH_PORT": str(health),
            "OTELCOL_DATA": str(folder / "collector"),
            "PROMETHEUS_PORT": str(prometheus),
        }
        command = [program("otelcol-contrib"), "--config", _CONFIG]
        self.collector = Server(
            command, folder / "collector", lambda: answers(f"http://127.0.0.1:{health}"), environment
        )

    def start(self) -> None:
        """Start both."""
        self.prometheus.server.start()
        self.collector.start()

    def stop(self) -> None:
        """Stop both."""
        self.collector.stop()
        self.prometheus.stop()

    def settle(self) -> None:
        """Wait until all that the Collector took before now is in the files and in Prometheus.

        What is sent now stands in the files behind all that came before, and goes through the one queue after it.
        """
        self._sentinels += 1
        name = f"{_SENTINEL}-{self._sentinels}"
        now = time.time_ns()
        self._send("traces", otlp.traces(otlp.span(f"{self._sentinels:032x}"), service=name))
        self._send("logs", otlp.logs(otlp.log(name), service=name))
        self._send("metrics", otlp.metrics(_gauge(now), service=name))
        wait_for(lambda: self._arrived(name), f"{name} in files and Prometheus")

    def _arrived(self, name: str) -> bool:
        self.arrivals.read()
        service = self.arrivals.of(name)
        there = service.span_ids and service.others
        return bool(there and self.prometheus.query(f'{_SENTINEL}{{job="{name}"}}'))

    def _send(self, signal: str, payload: object) -> None:
        answer = httpx.post(f"{self.endpoint}/v1/{signal}", json=payload, timeout=10, trust_env=False)
        assert answer.status_code == httpx.codes.OK, answer.text

    def counted(self, counter: str, service: str) -> float:
        """The sum of `increase()` over a counter's series, each at its own last sample.

        There it is exact: nothing is extrapolated at the end, nor at the start, where the zero sample is.
        """
        total = 0.0
        for samples in self.prometheus.samples(counter.replace("{", f'{{job="{service}",', 1)):
            labels = ",".join(f'{key}="{value}"' for key, value in samples[-1].labels.items())
            found = self.prometheus.query(f"increase({{{labels}}}[6h])", at=samples[-1].timestamp)
            total += found[0].value if found else 0.0
        return total

    def processes(self, service: str) -> set[int]:
        """The ids of the processes that sent metrics."""
        found = self.prometheus.query(f'group by (process_pid) (last_over_time(target_info{{job="{service}"}}[1h]))')
        return {int(sample.labels["process_pid"]) for sample in found}


def _gauge(now: int) -> dict[str, object]:
    return {"name": _SENTINEL, "gauge": {"dataPoints": [{"asInt": "1", "timeUnixNano": str(now)}]}}
