"""The configurations that ship are valid for the versions that ship."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.backends import BACKENDS, program

ROOT = Path(__file__).parent.parent.parent
COLLECTOR = ROOT / "collector"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
TEST_PORTS = {"OTELCOL_GRPC_PORT", "OTELCOL_HTTP_PORT", "OTELCOL_HEALTH_PORT", "OTELCOL_METRICS_PORT"}
STORE_PORTS = {"LOKI_HTTP_PORT", "PROMETHEUS_PORT"}


def run(*command: object, **environment: str) -> str:
    """Run a program that must succeed; return what it says."""
    done = subprocess.run(
        [str(part) for part in command],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.e2e
@pytest.mark.parametrize("overlays", [[], ["test.yaml"]])
def test_the_collector_takes_its_configuration(overlays: list[str], tmp_path: Path) -> None:
    """The gateway validates alone and under each overlay."""
    files = [COLLECTOR / "config.yaml", *(COLLECTOR / "overlays" / name for name in overlays)]
    options = [part for file in files for part in ("--config", file)]
    ports = {name: str(20_000 + number) for number, name in enumerate(sorted(TEST_PORTS | STORE_PORTS))}
    paths = {"OTELCOL_DATA": str(tmp_path), "OTELCOL_TOKENS": str(tmp_path / "tokens")}
    run(program("otelcol-contrib"), "validate", *options, REDACTION_HMAC_KEY="0" * 32, **ports, **paths)


@pytest.mark.e2e
def test_prometheus_takes_its_configuration() -> None:
    """Promtool finds nothing wrong, rules included."""
    run(program("promtool"), "check", "config", ROOT / "deploy" / "prometheus" / "prometheus.yaml")


@pytest.mark.e2e
def test_loki_takes_its_configuration() -> None:
    """Loki verifies the file with the variables at their defaults."""
    file = ROOT / "deploy" / "loki" / "loki.yaml"
    run(program("loki"), f"-config.file={file}", "-config.expand-env=true", "-verify-config")


def test_the_gateway_stays_readable() -> None:
    """One page of pipeline, as the house rule says."""
    assert len((COLLECTOR / "config.yaml").read_text().splitlines()) <= 200


@pytest.mark.parametrize("name", BACKENDS)
def test_compose_has_the_versions_that_are_tested(name: str) -> None:
    """The public image's tag is the version that the tests build."""
    assert COMPOSE["services"][name]["image"].rpartition(":")[2].lstrip("v") == BACKENDS[name].version


@pytest.mark.parametrize("service", COMPOSE["services"])
def test_compose_is_reached_from_this_machine_only(service: str) -> None:
    """Every published port is on loopback."""
    assert all(port.startswith("127.0.0.1:") for port in COMPOSE["services"][service].get("ports", []))


@pytest.mark.parametrize("service", COMPOSE["services"])
def test_compose_mounts_what_exists(service: str) -> None:
    """Docker would make a folder in place of a missing file."""
    mounted = [volume.partition(":")[0] for volume in COMPOSE["services"][service].get("volumes", [])]
    assert all((ROOT / source).exists() for source in mounted if source.startswith("."))


def test_every_component_of_the_gateway_is_built() -> None:
    """The builder's manifest has what the configuration names, so the tests load the shipped file."""
    manifest = (COLLECTOR / "builder-config.yaml").read_text().replace("_", "")
    configuration = yaml.safe_load((COLLECTOR / "config.yaml").read_text())
    for kind in ("receivers", "processors", "exporters", "connectors", "extensions"):
        for name in configuration[kind]:
            component = name.partition("/")[0].replace("_", "").replace("otlpgrpc", "otlp")
            assert f"/{component}" in manifest, f"{kind}: {name}"
