"""Pipelines of one's own, ended after the test."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from tests.exporter.server import OtlpServer
from tests.pipeline.observed import Observed


@pytest.fixture
def observe() -> Iterator[Callable[..., Observed]]:
    """Makes pipelines."""
    made: list[Observed] = []

    def make(*args: object, **kwargs: object) -> Observed:
        made.append(Observed(*args, **kwargs))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.fixture
def observed(observe: Callable[..., Observed]) -> Observed:
    """A pipeline with default settings."""
    return observe()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the distribution logged."""
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("otel_distro")
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)


@pytest.fixture
def server() -> Iterator[OtlpServer]:
    """A collector on a free port."""
    with OtlpServer().running() as running:
        yield running
