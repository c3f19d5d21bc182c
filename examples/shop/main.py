"""The web application: `uvicorn shop.main:app`."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from shop import accounts, checkout, extras, products, streams, webhooks
from shop.database import async_engine, prepare_from_web

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger(__name__)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Prepare the database and the client for other services, and close both at the end."""
    await prepare_from_web()
    async with httpx.AsyncClient(timeout=5) as app.state.http:
        logger.info("the shop is open")
        yield
    await async_engine().dispose()


app = FastAPI(title="Shop", lifespan=lifespan)
for part in (products, checkout, accounts, webhooks, streams, extras):
    app.include_router(part.router)
app.mount("/admin", checkout.admin)
