"""Logging in."""

import asyncio
import logging
import secrets

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel

from shop.database import DatabaseSession
from shop.models import Customer
from shop.passwords import matches

logger = logging.getLogger(__name__)
router = APIRouter()


class Credentials(BaseModel):
    """What someone typed."""

    username: str
    password: str


class Token(BaseModel):
    """A ticket for later requests."""

    token: str


@router.post("/login")
async def login(credentials: Credentials, session: DatabaseSession) -> Token:
    """Give a token for the right password."""
    customer = await session.get(Customer, credentials.username)
    if customer is None or not await asyncio.to_thread(
        matches, credentials.password, customer.salt, customer.password_hash
    ):
        logger.warning("login failed")
        raise HTTPException(401, "wrong user name or password")
    logger.info("login succeeded")
    return Token(token=secrets.token_urlsafe(24))
