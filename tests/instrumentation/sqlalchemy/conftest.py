"""Engines of real databases, instrumented."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine

from otel_distro.instrumentation.sqlalchemy import SqlalchemyInstrumentor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Engine

metadata = MetaData()
ORDERS = Table("orders", metadata, Column("id", Integer, primary_key=True), Column("email", String(100), unique=True))


@pytest.fixture
def instrumented() -> Iterator[SqlalchemyInstrumentor]:
    """SQLAlchemy, instrumented for this test."""
    instrumentor = SqlalchemyInstrumentor()
    instrumentor.instrument()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


@pytest.fixture
def engine(tmp_path: Path, instrumented: SqlalchemyInstrumentor) -> Iterator[Engine]:
    """A SQLite database in a file, with the table `orders`."""
    made = create_engine(f"sqlite:///{tmp_path}/shop.db")
    metadata.create_all(made)
    yield made
    made.dispose()
