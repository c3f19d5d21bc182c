"""The web application; every request is an item."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from tests.reliability.app.item import JOURNAL, observe

_SHARE = 150


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    JOURNAL.here()
    yield


app = FastAPI(lifespan=_lifespan)


@app.get("/health")
async def health() -> str:
    """Say that the application is up."""
    return "up"


@app.get("/items/{item}")
async def read(item: str, seconds: float = 0.0) -> str:
    """Do one item, the last part of it some seconds later."""
    with JOURNAL.item(item):
        observe(item)
        if seconds:
            await asyncio.sleep(seconds)
    return item


@app.get("/leave")
async def leave() -> str:
    """End this process without Python's end once it has done its share."""
    if JOURNAL.done >= _SHARE:
        os._exit(0)
    return "not yet"
