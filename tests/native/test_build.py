"""The wheel has the extension where it can be compiled, and is pure where it can't."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from otel_distro.native import MODULE
from tests.native.conftest import MISSING
from tests.sources import ROOT


def built(folder: Path, **variables: str) -> tuple[Path, str]:
    """The wheel that the sources give in this environment, and what the build said."""
    command = [str(ROOT / "tools" / "uv"), "build", "--wheel", "--python", sys.executable, "-o", str(folder), str(ROOT)]
    environment = {name: value for name, value in os.environ.items() if name not in ("CC", "OTEL_DISTRO_NATIVE")}
    done = subprocess.run(command, env={**environment, **variables}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel, done.stdout + done.stderr


def modules(wheel: Path) -> list[str]:
    """Its files beside the package."""
    with zipfile.ZipFile(wheel) as archive:
        return [name for name in archive.namelist() if name.startswith(MODULE) or name.endswith((".c", ".so"))]


@pytest.mark.integration
def test_the_wheel_has_the_extension(tmp_path: Path) -> None:
    """It is for this Python and machine; where there is no compiler, the wheel is for all."""
    wheel, _ = built(tmp_path)
    pure = wheel.name.endswith("-none-any.whl")
    assert modules(wheel) == ([] if pure else [f"{MODULE}{sysconfig.get_config_var('EXT_SUFFIX')}"])
    assert MISSING or not pure


@pytest.mark.integration
@pytest.mark.parametrize(
    "variables", [{"OTEL_DISTRO_NATIVE": "off"}, {"CC": "no-such-compiler"}, {"CC": "false"}], ids=str
)
def test_a_pure_wheel(variables: dict[str, str], tmp_path: Path) -> None:
    """Where it is not wanted, without a compiler, and with one that fails; one line says so."""
    wheel, said = built(tmp_path, **variables)
    assert wheel.name.endswith("-py3-none-any.whl")
    assert modules(wheel) == []
    lines = [line for line in said.splitlines() if "the Python ones serve" in line]
    assert len(lines) == 1
    assert all(value in lines[0] for value in variables.values())
