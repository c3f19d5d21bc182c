"""The shop as two real processes: uvicorn and a Celery worker on the file broker, without any telemetry."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "examples")]  # the shop is no installed package

from tests.examples.shop_process import UVICORN, WORKER, Shop, running  # noqa: E402 - found by the line above

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Start web process and worker together on an empty folder."""
    data_dir = tmp_path_factory.mktemp("shop") / "data"
    with running(WORKER, data_dir, "worker") as worker, running(UVICORN, data_dir, "web") as web:
        shop = Shop(web, worker, data_dir)
        yield shop
        shop.customer.close()
