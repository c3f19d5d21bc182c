"""Thousands of requests may stay open: the memory is bounded, and what has finished in them is visible meanwhile."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.waiting import wait_for
from tests.examples.shop_process import Program
from tests.exporter.server import OtlpServer, Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration
OPEN = 5000
BUDGET = 32 * 1024 * 1024
UVICORN = (
    "uvicorn",
    "--app-dir",
    str(Path(__file__).parent),
    "open_app:app",
    "--host",
    "127.0.0.1",
    "--port",
    "0",
    "--backlog",
    "8192",
)


@contextmanager
def _app(folder: Path, **environment: str) -> Iterator[Program]:
    program = Program(UVICORN, folder, folder / "web.log", **environment)
    try:
        yield program
    finally:
        program.process.kill()
        program.process.wait()


def _rss(process: subprocess.Popen[bytes]) -> int:
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


async def _open(url: str, count: int) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    address = urlsplit(url)
    gate = asyncio.Semaphore(200)

    async def one(number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with gate:
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(f"GET /stream/{number} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".encode())
            await reader.readuntil(b"begun")
            return reader, writer

    return await asyncio.gather(*(one(number) for number in range(count)))


async def _held_open(program: Program, server: Receiver | None) -> int:
    """Open all, look at the memory (and with a server at what arrived), release all; gives the growth in bytes."""
    url = program.base_url()
    before = _rss(program.process)
    connections = await _open(url, OPEN)
    if server is not None:
        await asyncio.to_thread(wait_for, lambda: _all_begun(server), "what finished in the open requests", 60)
        assert not [span for span in server.spans() if span.kind == span.SPAN_KIND_SERVER]
    growth = _rss(program.process) - before
    async with httpx.AsyncClient() as client:
        assert (await client.post(f"{url}/release")).status_code == 200
    for reader, writer in connections:
        assert b"done" in await reader.read()
        writer.close()
    return growth


def _all_begun(server: Receiver) -> bool:
    lines = {record.body.string_value for record in server.log_records()}
    return len({line for line in lines if line.startswith("opened ")}) == OPEN and (
        len([span for span in server.spans() if span.name == "prepare"]) == OPEN
    )


def test_thousands_of_open_requests_stay_within_the_budget(tmp_path: Path) -> None:
    """5,000 open SSE requests cost no more than the byte budget over bare, and show their finished spans and lines."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= OPEN + 1000, f"the limit of open files is {hard}: raise it with `ulimit -Hn`"
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        (tmp_path / "bare").mkdir()
        with _app(tmp_path / "bare") as bare:
            without = asyncio.run(_held_open(bare, None))
        (tmp_path / "ours").mkdir()
        with (
            OtlpServer().running() as server,
            _app(
                tmp_path / "ours",
                OTEL_EXPORTER_OTLP_ENDPOINT=server.url,
                OTEL_METRIC_EXPORT_INTERVAL="500",
            ) as ours,
        ):
            growth = asyncio.run(_held_open(ours, server)) - without
            wait_for(lambda: _all_ended(server), "the server spans", 60)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert growth < BUDGET, f"{growth / OPEN:.0f} bytes for each open request"
    assert max(_buffered(server)) < BUDGET
    sys.stdout.write(f"{growth / OPEN:.0f} bytes for each open request\n")


def _all_ended(server: Receiver) -> bool:
    return (
        len([span for span in server.spans() if span.kind == span.SPAN_KIND_SERVER and "stream" in span.name]) == OPEN
    )


def _buffered(server: Receiver) -> list[int]:
    return [point.as_int for metric in server.metrics("otel_distro.buffered") for point in metric.gauge.data_points]
