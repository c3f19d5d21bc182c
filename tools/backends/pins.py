"""What is built, from which pins, and where the result is kept."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
MANIFEST = HERE.parent.parent / "collector" / "builder-config.yaml"


@dataclass(frozen=True)
class Backend:
    """One Go module to compile: its programs, the flags that stamp its version, the files that pin it."""

    name: str
    version: str
    programs: dict[str, str]
    stamp: str
    pins: tuple[Path, ...]

    @property
    def module(self) -> Path:
        """The folder with our go.mod and go.sum."""
        return HERE / self.name

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides what comes out of the build."""
        digest = hashlib.sha256(repr((self.version, self.programs, self.stamp)).encode())
        for pin in self.pins:
            digest.update(pin.read_bytes())
        return digest.hexdigest()[:12]

    @property
    def folder(self) -> Path:
        """Where the programs are, or will be: outside the tree, a new folder for each change of a pin."""
        return cache() / f"{self.name}-{self.fingerprint}"


def cache() -> Path:
    """The cache of all builds: OTEL_DISTRO_CACHE, else ~/.cache/otel-distro."""
    root = os.environ.get("OTEL_DISTRO_CACHE") or Path.home() / ".cache" / "otel-distro"
    return Path(root) / "backends"


def _module(name: str) -> tuple[Path, ...]:
    return HERE / name / "go.mod", HERE / name / "go.sum"


OTELCOL = Backend(
    name="otelcol",
    version="0.159.0",
    programs={"otelcol-contrib": "."},
    stamp="",
    pins=(MANIFEST, *_module("builder"), HERE / "otelcol" / "go.sum"),
)
PROMETHEUS = Backend(
    name="prometheus",
    version="3.14.0",
    programs={
        "prometheus": "github.com/prometheus/prometheus/cmd/prometheus",
        "promtool": "github.com/prometheus/prometheus/cmd/promtool",
    },
    stamp="github.com/prometheus/common/version.Version=3.14.0",
    pins=_module("prometheus"),
)
LOKI = Backend(
    name="loki",
    version="3.7.6",
    programs={"loki": "github.com/grafana/loki/v3/cmd/loki"},
    stamp="github.com/grafana/loki/v3/pkg/util/build.Version=3.7.6",
    pins=_module("loki"),
)
BACKENDS = {backend.name: backend for backend in (OTELCOL, PROMETHEUS, LOKI)}
