"""The rest of an ordinary application: feedback, a report that is slow, things that fail."""

import logging
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shop.database import DatabaseSession, async_engine
from shop.models import Feedback
from shop.worker import failing, flaky

logger = logging.getLogger(__name__)
router = APIRouter()


class StockroomError(Exception):
    """The stockroom door is locked."""


class FeedbackIn(BaseModel):
    """What a customer has to say."""

    text: str = Field(min_length=1, max_length=1000)


class Parcel(BaseModel):
    """A parcel for the flaky carrier."""

    key: str = Field(default="parcel", max_length=100)


@router.get("/health")
async def health() -> dict[str, str]:
    """Say that we are there."""
    return {"status": "ok"}


@router.get("/slow")
async def slow(session: DatabaseSession, seconds: Annotated[float, Query(ge=0, le=30)] = 0.5) -> dict[str, float]:
    """Wait for a slow SQL statement."""
    await session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})
    return {"seconds": seconds}


@router.get("/fail")
async def fail() -> None:
    """Fail in a way that nobody handles."""
    logger.info("looking into the stockroom")
    message = "the stockroom door is locked"
    raise StockroomError(message)


def warehouse() -> str:
    """Find the warehouse; a plain function as dependency."""
    return "main"


@router.get("/sync")
def sync(name: Annotated[str, Depends(warehouse)]) -> dict[str, str]:
    """Answer from a plain function."""
    logger.info("asked for warehouse %s", name)
    return {"warehouse": name}


@router.post("/feedback", status_code=202)
async def receive_feedback(feedback: FeedbackIn, background: BackgroundTasks) -> dict[str, str]:
    """Thank now, store later."""
    background.add_task(store_feedback, feedback.text)
    return {"status": "thanks"}


async def store_feedback(words: str) -> None:
    """Store what a customer said."""
    async with AsyncSession(async_engine()) as session, session.begin():
        session.add(Feedback(text=words))
    logger.info("feedback of %s characters stored", len(words))


@router.post("/flaky", status_code=202)
async def send_parcel(parcel: Parcel) -> dict[str, str]:
    """Queue a task that succeeds at its third attempt."""
    flaky.delay(parcel.key)
    return {"status": "queued"}


@router.post("/fail-task", status_code=202)
async def print_label() -> dict[str, str]:
    """Queue a task that fails."""
    failing.delay()
    return {"status": "queued"}
