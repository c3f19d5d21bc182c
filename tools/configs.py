"""The shipped configurations, read by the servers they are for: `python -m tools.configs`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.backends import BackendError, program

ROOT = Path(__file__).parent.parent
COLLECTOR = "collector/config.yaml"
PROMETHEUS = "deploy/prometheus/prometheus.yaml"
LOKI = "deploy/loki/loki.yaml"
COMPOSE = "docker-compose.yml"
PLACEHOLDERS = {"REDACTION_HMAC_KEY": "0" * 64}
"""What the configurations take from the environment without a default."""


def main() -> int:
    """Check each; all findings are shown before the exit code says that there were some."""
    try:
        checks = commands()
    except BackendError as error:
        print(f"configs: {error}", file=sys.stderr)
        return 1
    failed = [name for name, command in checks.items() if not _accepts(name, command)]
    return 1 if failed else 0


def commands() -> dict[str, list[str]]:
    """By file: the command that reads it and does nothing else."""
    otelcol, promtool, loki = (str(program(name)) for name in ("otelcol-contrib", "promtool", "loki"))
    found = {
        COLLECTOR: [otelcol, "validate", "--config", COLLECTOR],
        PROMETHEUS: [promtool, "check", "config", PROMETHEUS],
        LOKI: [loki, "-verify-config", "-config.expand-env=true", f"-config.file={LOKI}"],
    }
    if _has_compose():
        found[COMPOSE] = ["docker", "compose", "config", "--quiet"]
    else:
        print(f"configs: NOT CHECKED: {COMPOSE}, since `docker compose` is not here (see docs/limits.md)")
    return found


def _has_compose() -> bool:
    if shutil.which("docker") is None:
        return False
    asked = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return asked.returncode == 0


def _accepts(name: str, command: list[str]) -> bool:
    environment = {**os.environ, **PLACEHOLDERS}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    print(f"configs: {name}: {'ok' if done.returncode == 0 else 'REFUSED'}")
    if done.returncode != 0:
        print(done.stdout + done.stderr, file=sys.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
