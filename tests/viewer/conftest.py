"""A viewer on a free port with a new store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.viewer.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def viewer(tmp_path: Path) -> Iterator[Client]:
    """A running viewer."""
    client = Client(tmp_path / "state" / "viewer.db")
    yield client
    client.close()
