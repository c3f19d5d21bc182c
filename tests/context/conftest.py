"""Each test begins and ends outside of any work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_distro.context.work import CURRENT

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def no_work() -> Iterator[None]:
    """No work in hand before and after."""
    token = CURRENT.set(None)
    yield
    CURRENT.reset(token)
