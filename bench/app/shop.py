"""The reference app: FastAPI, SQLAlchemy on asyncpg, one httpx client, logging; the same for every variant."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy import ForeignKey, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

log = logging.getLogger("shop")


class Base(DeclarativeBase):
    """All tables."""


class Item(Base):
    """What is sold."""

    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    price: Mapped[int]


class Review(Base):
    """What customers say of it."""

    __tablename__ = "reviews"
    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id"), index=True)
    text: Mapped[str]


class ItemOut(BaseModel):
    """The answer of GET /items/{id}."""

    id: int
    name: str
    price: int
    reviews: list[str]


class ChatIn(BaseModel):
    """The body of POST /chat."""

    prompt: str


def _rows() -> Iterator[Base]:
    for number in range(1, 101):
        yield Item(id=number, name=f"item {number}", price=number * 10)
    for number in range(1, 301):
        yield Review(id=number, item_id=(number - 1) % 100 + 1, text=f"review {number}")


async def _fill(engine: Any, sessions: Any) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with sessions() as session:
        if not (await session.execute(select(Item).limit(1))).first():
            session.add_all(_rows())
            await session.commit()


class Shop:
    """One app with its engine and client; several can live in one process."""

    def __init__(self, identify: Callable[[str], None], **options: Any) -> None:
        self.engine = create_async_engine(os.environ["BENCH_DATABASE"], pool_size=16, max_overflow=0)
        self.sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self.app = FastAPI(lifespan=self.lifespan, **options)
        self.client: httpx.AsyncClient
        self._stub = os.environ["BENCH_STUB"]
        _routes(self, identify)

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """Tables and client for as long as the app lives."""
        await _fill(self.engine, self.sessions)
        async with httpx.AsyncClient(timeout=10) as self.client:
            yield
        await self.engine.dispose()

    async def reply(self, prompt: str) -> str:
        """Ask the stub."""
        body = {"model": "stub", "messages": [{"role": "user", "content": prompt}]}
        answer = await self.client.post(self._stub, json=body)
        text: str = answer.json()["choices"][0]["message"]["content"]
        return text


def _routes(shop: Shop, identify: Callable[[str], None]) -> None:
    app = shop.app

    async def session() -> AsyncIterator[AsyncSession]:
        async with shop.sessions() as opened:
            yield opened

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/items/{item_id}")
    async def get_item(item_id: int, opened: AsyncSession = Depends(session)) -> ItemOut:  # noqa: B008
        identify("u-4711")
        log.info("fetching item %s", item_id)
        item = (await opened.execute(select(Item).where(Item.id == item_id))).scalar_one_or_none()
        if item is None:
            raise HTTPException(404)
        query = select(Review).where(Review.item_id == item_id).limit(5)
        reviews = (await opened.execute(query)).scalars().all()
        log.info("item fetched", extra={"item_id": item_id, "n_reviews": len(reviews)})
        return ItemOut(id=item.id, name=item.name, price=item.price, reviews=[review.text for review in reviews])

    @app.post("/chat")
    async def chat(body: ChatIn) -> dict[str, str]:
        return {"reply": await shop.reply(body.prompt)}

    @app.get("/boom")
    async def boom() -> None:
        raise RuntimeError("boom")
