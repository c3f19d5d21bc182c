"""What docker-compose.yml says, so that the tests start the servers with the flags that ship."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import yaml

from tests.e2e.server import ROOT


@lru_cache(maxsize=1)
def compose() -> dict[str, Any]:
    """Read docker-compose.yml."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


def flags(service: str, **changed: str) -> list[str]:
    """Return a service's command-line flags; `changed` replaces values, as in config_file=... ."""
    result = []
    for flag in compose()["services"][service]["command"]:
        name, separator, _value = flag.partition("=")
        key = name.lstrip("-").replace(".", "_").replace("-", "_")
        result.append(f"{name}={changed[key]}" if separator and key in changed else flag)
    return result
