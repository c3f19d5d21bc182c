"""What is allocated while something runs, also what is freed at once: by a counter in C, compiled for the tests."""

from __future__ import annotations

import importlib.util
import shlex
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

SOURCE = Path(__file__).with_suffix(".c")


class Allocated(NamedTuple):
    """Blocks, and their bytes."""

    blocks: int
    bytes: int


class Allocations:
    """The counter; OSError where no C compiler is, CalledProcessError where it finds none of Python's headers."""

    def __init__(self, folder: Path) -> None:
        target = folder / f"allocations{sysconfig.get_config_var('EXT_SUFFIX')}"
        linker = shlex.split(sysconfig.get_config_var("LDSHARED") or "cc -shared")
        headers = f"-I{sysconfig.get_path('include')}"
        subprocess.run([*linker, "-O2", "-fPIC", headers, str(SOURCE), "-o", str(target)], check=True, timeout=120)
        spec = importlib.util.spec_from_file_location("allocations", target)
        assert spec is not None
        assert spec.loader is not None
        self._counter: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self._counter)
        self.found = Allocated(0, 0)
        """Of the last time."""

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count what this thread allocates in the block."""
        self._counter.begin()
        try:
            yield
        finally:
            self.found = Allocated(*self._counter.end())
