"""Redis and PostgreSQL: found on the machine, else installed by apt when we may."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.backends.error import BackendError

PACKAGES = {"redis-server": "redis-server", "postgres": "postgresql", "initdb": "postgresql"}
POLICY = Path("/usr/sbin/policy-rc.d")


def server(name: str) -> Path:
    """Return the path of a server that Debian packages, installing the package when we are root."""
    found = _find(name)
    if found is None:
        _install(PACKAGES[name])
        found = _find(name)
    if found is None:
        raise BackendError(f"{name}: the package {PACKAGES[name]} is installed but has no such program")
    return found


def _find(name: str) -> Path | None:
    # Debian keeps PostgreSQL's server programs out of PATH, one folder for each version; the newest wins.
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    for folder in reversed(versions):
        if (folder / name).exists():
            return folder / name
    found = shutil.which(name)
    return Path(found) if found else None


def _install(package: str) -> None:
    wish = f"apt-get update && apt-get install -y --no-install-recommends {package}"
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise BackendError(f"{package} is not installed and can't be installed from here; type: sudo sh -c '{wish}'")
    print(f"backends: installing {package} by apt-get", file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _no_service_starts():
        done = subprocess.run(
            ["sh", "-c", wish],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    if done.returncode != 0:
        raise BackendError(f"apt-get could not install {package}:\n{done.stderr[-2000:]}")


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Keep the packages from starting system services: the tests start their own, on free loopback ports."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(POLICY.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    try:
        yield
    finally:
        POLICY.unlink()
