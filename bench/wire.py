"""The program `wire` (written in Go, compiled once into the cache): the sink of telemetry, and the load."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from bench.environments import HERE, say
from bench.error import BenchError
from tools.backends import BackendError
from tools.backends.pins import cache
from tools.backends.toolchain import environment, go


def program() -> Path:
    """Return the path of `wire`, compiling it when its source has changed."""
    source = HERE / "wire"
    digest = hashlib.sha256()
    for path in sorted(source.iterdir()):
        digest.update(path.read_bytes())
    target = cache().parent / "bench" / f"wire-{digest.hexdigest()[:12]}"
    if target.exists():
        return target
    say("compiling the sink and the load")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(f".{os.getpid()}")
    try:
        command = go()
        done = subprocess.run(
            [str(command), "build", "-trimpath", "-buildvcs=false", "-o", str(fresh), "."],
            cwd=source,
            env=environment(command),
            capture_output=True,
            text=True,
            check=False,
        )
    except BackendError as error:
        raise BenchError(str(error)) from error
    if done.returncode != 0:
        raise BenchError(f"bench/wire does not compile:\n{done.stderr[-2000:]}")
    fresh.replace(target)
    return target


class Sink:
    """A running sink; it ends with this object, or with this process."""

    def __init__(self, port: int = 0) -> None:
        # One thread at a time: the sink must not take both cores from what is measured.
        self._process = subprocess.Popen(
            [str(program()), "sink", "-port", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "GOMAXPROCS": "1"},
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchError("the sink did not start")
        self.port = int(line)

    @property
    def stub(self) -> str:
        """The URL that /chat calls."""
        return f"http://127.0.0.1:{self.port}/v1/chat/completions"

    def counts(self) -> dict[str, Any]:
        """What came in, by variant."""
        found: dict[str, Any] = json.loads(self._get("counts"))
        return found

    def reset(self) -> None:
        """Begin counting anew."""
        self._get("reset")

    def _get(self, path: str) -> bytes:
        with urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=20) as answer:
            body: bytes = answer.read()
        return body

    def stop(self) -> None:
        """End the sink."""
        with self._process:  # leaving closes its input, upon which it ends
            pass


@dataclass(frozen=True)
class Load:
    """What one load came to."""

    requests: int
    seconds: float
    failed: int
    statuses: dict[str, int]
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float

    @property
    def rps(self) -> float:
        """Requests answered per second."""
        return self.requests / self.seconds


def send(port: int, **flags: float) -> Load:
    """Send the request mix to a server on this port; flags as `wire load` takes them."""
    arguments = [f"-{name}={value}" for name, value in flags.items()]
    done = subprocess.run(
        [str(program()), "load", f"-port={port}", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=660,
        env={**os.environ, "GOMAXPROCS": "1"},
    )
    if done.returncode != 0:
        raise BenchError(f"the load failed: {done.stderr[-500:]}")
    load = Load(**json.loads(done.stdout))
    if load.failed > load.requests / 100 or not load.requests:
        raise BenchError(f"{load.failed} of {load.requests + load.failed} requests got no answer")
    return load
