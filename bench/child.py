"""Programs of `bench/app` run in the environment that has ours and upstream; what they measured, they write."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from bench.environments import HERE
from bench.error import BenchError
from bench.server import Place
from bench.variants import PAIRED

_LONGEST = 900
_FOREIGN = ("OTEL_", "PYTHON", "LOG_LEVEL")


def run(program: str, *arguments: str, place: Place, **variables: str) -> Any:
    """Run one; the path for its result is its last argument."""
    PAIRED.ready()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    sink = {"BENCH_SINK": f"http://127.0.0.1:{place.sink}"}
    with tempfile.TemporaryDirectory(prefix="otel-distro-bench-") as folder:
        result, errors = Path(folder, "result.json"), Path(folder, "errors")
        with errors.open("wb") as stream:
            done = subprocess.run(
                [str(PAIRED.program("python")), program, *arguments, str(result)],
                cwd=HERE / "app",
                env={**kept, **place.variables, **sink, **variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stream,
                check=False,
                timeout=_LONGEST,
            )
        if done.returncode != 0 or not result.exists():
            raise BenchError(f"{program} failed:\n{errors.read_bytes()[-3000:].decode('utf-8', 'replace')}")
        return json.loads(result.read_text("utf-8"))
