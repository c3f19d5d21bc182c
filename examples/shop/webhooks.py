"""Webhooks of Stripe and LiveKit, verified by their own SDKs."""

import logging

import stripe
from fastapi import APIRouter, HTTPException, Request
from livekit.api import TokenVerifier, WebhookReceiver
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from shop.database import DatabaseSession
from shop.models import WebhookEvent
from shop.settings import settings
from shop.worker import handle_payment

logger = logging.getLogger(__name__)
router = APIRouter(prefix="/webhooks")


class Receipt(BaseModel):
    """Our thanks to the sender."""

    received: bool = True
    duplicate: bool


async def store(event: WebhookEvent, session: AsyncSession) -> bool:
    """Store an event; say whether it is new."""
    session.add(event)
    try:
        await session.commit()
    except IntegrityError:
        await session.rollback()
        return False
    return True


@router.post("/stripe")
async def receive_stripe(request: Request, session: DatabaseSession) -> Receipt:
    """Take an event of Stripe and let the worker book it."""
    signature = request.headers.get("stripe-signature", "")
    try:
        event = stripe.Webhook.construct_event(await request.body(), signature, settings().stripe_webhook_secret)
    except (ValueError, stripe.SignatureVerificationError) as error:
        logger.warning("refused a Stripe webhook")
        raise HTTPException(400, "invalid signature or payload") from error
    new = await store(WebhookEvent(provider="stripe", event_id=event.id, event_type=event.type), session)
    if new:
        handle_payment.delay(event.id)
    logger.info("Stripe event %s, new: %s", event.type, new)
    return Receipt(duplicate=not new)


@router.post("/livekit")
async def receive_livekit(request: Request, session: DatabaseSession) -> Receipt:
    """Take an event of LiveKit."""
    verifier = TokenVerifier(settings().livekit_api_key, settings().livekit_api_secret)
    try:
        body = (await request.body()).decode()
        event = WebhookReceiver(verifier).receive(body, request.headers.get("authorization", ""))
    except Exception as error:  # the SDK raises bare exceptions, among many other types
        logger.warning("refused a LiveKit webhook")
        raise HTTPException(401, "invalid token or payload") from error
    new = await store(WebhookEvent(provider="livekit", event_id=event.id, event_type=event.event), session)
    logger.info("LiveKit event %s, new: %s", event.event, new)
    return Receipt(duplicate=not new)
