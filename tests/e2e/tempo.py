"""Tempo, when the machine has one: no registry here serves it, so TEMPO_BIN names the binary."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.compose import flags
from tests.e2e.server import ROOT, Server, answers, free_ports


class Tempo:
    """A running Tempo."""

    def __init__(self, folder: Path, binary: str, otlp_port: int) -> None:
        self.otlp_port = otlp_port
        http, grpc, gossip = free_ports(3)
        self.url = f"http://127.0.0.1:{http}"
        environment = {
            "TEMPO_ADDRESS": "127.0.0.1",
            "TEMPO_HTTP_PORT": str(http),
            "TEMPO_GRPC_PORT": str(grpc),
            "TEMPO_OTLP_PORT": str(otlp_port),
            "TEMPO_GOSSIP_PORT": str(gossip),
            "TEMPO_DATA": str(folder / "data"),
        }
        command = [binary, *flags("tempo", config_file=str(ROOT / "deploy" / "tempo" / "tempo.yaml"))]
        self.server = Server(command, folder, lambda: answers(f"{self.url}/ready"), environment)
