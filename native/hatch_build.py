"""Builds the native encoders into the wheel where a C compiler and Python's headers are; a pure wheel otherwise."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODULE = "_otel_distro_native"
SOURCE = Path("native") / "encoders.c"
FLAGS = ("-O2", "-fPIC", "-fvisibility=hidden")
SECONDS = 120


class NativeBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the extension, a module of its own beside the package, to the wheel that is built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; one line says it when there will be no extension. `version` is `editable` or `standard`."""
        self._folder = tempfile.TemporaryDirectory(prefix="otel-distro-")
        target = Path(self._folder.name) / f"{MODULE}{sysconfig.get_config_var('EXT_SUFFIX')}"
        try:
            compile_to(target, Path(self.root) / SOURCE)
        except (OSError, subprocess.SubprocessError) as error:
            self.app.display_warning(f"otel-distro: built without native encoders, the Python ones serve: {error}")
            return
        key = "force_include_editable" if version == "editable" else "force_include"
        build_data[key][str(target)] = target.name
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        if version == "editable":  # hatchling tags these for any Python, and uv would keep the wheel of one for all
            builder: Any = self.build_config.builder
            builder.get_default_tag = builder.get_best_matching_tag

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """The wheel has what was compiled."""
        self._folder.cleanup()


def linker() -> str:
    """The command that makes a shared object, as the interpreter's builders wrote it down; `CC` is another compiler."""
    found, compiler = sysconfig.get_config_var("LDSHARED") or "cc -shared", sysconfig.get_config_var("CC") or "cc"
    own = os.environ.get("CC")
    return own + found.removeprefix(compiler) if own and found.startswith(compiler) else found


def compile_to(target: Path, source: Path) -> None:
    """Compile the source for this interpreter; raises where that is not wanted, or can't be."""
    if os.environ.get("OTEL_DISTRO_NATIVE", "").strip().lower() == "off":
        raise OSError("OTEL_DISTRO_NATIVE=off")
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise OSError("they are for CPython with its GIL")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    command = [
        *shlex.split(linker()),
        *FLAGS,
        f'-DSOURCE="{digest}"',
        f"-I{sysconfig.get_path('include')}",
        str(source),
        "-o",
        str(target),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise OSError(f"{command[0]}: {next((line for line in lines if 'error' in line), lines[-1])}")
