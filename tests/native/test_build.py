"""The wheel has the extension where it can be compiled, and is pure where it can't."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from otel_distro import config
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


def compiled(source: Path, folder: Path) -> str | None:
    """What the compiler of this Python says against a source; None: nothing."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    options = ["-fPIC", f"-I{sysconfig.get_path('include')}", "-c", str(source), "-o", str(folder / "made.o")]
    try:
        done = subprocess.run([*compiler, *options], capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stderr or f"exit code {done.returncode}" if done.returncode else None


def test_the_extension_is_built_wherever_it_can_be(tmp_path: Path) -> None:
    """Where there are a compiler and Python's headers, a missing extension is an error, not a pure wheel."""
    if not MISSING or config.current().native == "off":
        return
    header = tmp_path / "header.c"
    header.write_text("#include <Python.h>\n", "utf-8")
    if compiled(header, tmp_path) is not None:
        return
    said = compiled(ROOT / "native" / "encoders.c", tmp_path)
    pytest.fail(
        "native/encoders.c does not compile, so the native encoders are missing and unchecked:\n" + said
        if said
        else "the native encoders can be built here, but what is installed has none: touch pyproject.toml, `make setup`"
    )


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
