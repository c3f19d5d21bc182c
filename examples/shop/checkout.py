"""Orders: placing one, and asking how it goes."""

import logging

from fastapi import APIRouter, FastAPI, HTTPException
from pydantic import BaseModel, Field

from shop.database import DatabaseSession
from shop.models import Order
from shop.products import find_product
from shop.worker import fulfil_order

logger = logging.getLogger(__name__)
router = APIRouter()
admin = FastAPI(title="Shop administration")


class Cart(BaseModel):
    """What a customer wants."""

    product_id: int
    quantity: int = Field(ge=1, le=1000)
    email: str = Field(max_length=320)


class OrderStatus(BaseModel):
    """How an order goes."""

    order_id: int
    status: str


class OrderDetail(OrderStatus):
    """An order as the staff sees it."""

    product_id: int
    quantity: int


async def find_order(order_id: int, session: DatabaseSession) -> Order:
    """Find an order or answer 404."""
    order = await session.get(Order, order_id)
    if order is None:
        raise HTTPException(404, "no such order")
    return order


@router.post("/checkout", status_code=201)
async def checkout(cart: Cart, session: DatabaseSession) -> OrderStatus:
    """Place an order; the worker fulfils it."""
    product = await find_product(cart.product_id, session)
    logger.info("checkout of %s x %s", cart.quantity, product.name)
    order = Order(product_id=product.id, quantity=cart.quantity, email=cart.email, status="pending")
    session.add(order)
    await session.commit()
    fulfil_order.delay(order.id)
    logger.info("order %s placed", order.id)
    return OrderStatus(order_id=order.id, status=order.status)


@router.get("/orders/{order_id}")
async def read_order(order_id: int, session: DatabaseSession) -> OrderStatus:
    """Show how an order goes."""
    order = await find_order(order_id, session)
    return OrderStatus(order_id=order.id, status=order.status)


@admin.get("/orders/{order_id}")
async def read_order_detail(order_id: int, session: DatabaseSession) -> OrderDetail:
    """Show an order to the staff."""
    order = await find_order(order_id, session)
    return OrderDetail(order_id=order.id, status=order.status, product_id=order.product_id, quantity=order.quantity)
