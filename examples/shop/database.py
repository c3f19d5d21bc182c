"""Engines and sessions: asynchronous for the web process, synchronous for the worker."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from shop.schema import prepare
from shop.settings import settings

SQLITE_WAIT = {"timeout": 30}


@lru_cache(maxsize=1)
def async_engine() -> AsyncEngine:
    """Make the web process's engine."""
    url = settings().async_database_url
    if url.get_backend_name() != "sqlite":
        return create_async_engine(url)
    engine = create_async_engine(url, connect_args=SQLITE_WAIT)
    event.listen(engine.sync_engine, "connect", _add_pg_sleep)
    return engine


@lru_cache(maxsize=1)
def sync_engine() -> Engine:
    """Make the worker's engine."""
    url = settings().sync_database_url
    return create_engine(url, connect_args=SQLITE_WAIT if url.get_backend_name() == "sqlite" else {})


def _add_pg_sleep(connection: Any, _record: object) -> None:
    """Give SQLite the function that PostgreSQL has, so that both can be slow on request."""
    connection.create_function("pg_sleep", 1, time.sleep)


async def async_session() -> AsyncIterator[AsyncSession]:
    """Open the session of one request."""
    async with AsyncSession(async_engine(), expire_on_commit=False) as session:
        yield session


DatabaseSession = Annotated[AsyncSession, Depends(async_session)]


@contextmanager
def sync_session() -> Iterator[Session]:
    """Open the session of one task; it commits at the end."""
    with Session(sync_engine()) as session, session.begin():
        yield session


async def prepare_from_web() -> None:
    """Create the tables when the web process starts."""
    async with async_engine().begin() as connection:
        await connection.run_sync(prepare)


def prepare_from_worker() -> None:
    """Create the tables when the worker starts; its children must not inherit the connection."""
    with sync_engine().begin() as connection:
        prepare(connection)
    sync_engine().dispose()
