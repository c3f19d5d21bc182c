"""What the shop sells."""

import httpx
from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from shop.database import DatabaseSession
from shop.models import Product
from shop.settings import settings

router = APIRouter()


class ProductOut(BaseModel):
    """A product as customers see it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    price_cents: int


class Quote(BaseModel):
    """Today's price of a product."""

    product_id: int
    price_cents: int
    source: str


async def find_product(product_id: int, session: DatabaseSession) -> Product:
    """Find a product or answer 404."""
    product = await session.get(Product, product_id)
    if product is None:
        raise HTTPException(404, "no such product")
    return product


@router.get("/products")
async def list_products(session: DatabaseSession) -> list[ProductOut]:
    """List everything."""
    products = await session.scalars(select(Product).order_by(Product.id))
    return [ProductOut.model_validate(product) for product in products]


@router.get("/products/{product_id}")
async def read_product(product_id: int, session: DatabaseSession) -> ProductOut:
    """Show one product."""
    return ProductOut.model_validate(await find_product(product_id, session))


@router.get("/quote/{product_id}")
async def quote(product_id: int, request: Request, session: DatabaseSession) -> Quote:
    """Ask the supplier for today's price when there is one, else take it from our own table."""
    supplier = settings().quote_url
    if supplier is None:
        product = await find_product(product_id, session)
        return Quote(product_id=product_id, price_cents=product.price_cents, source="table")
    client: httpx.AsyncClient = request.app.state.http
    try:
        answer = (await client.get(f"{supplier.rstrip('/')}/{product_id}")).raise_for_status()
    except httpx.HTTPError as error:
        raise HTTPException(502, "the supplier does not answer") from error
    return Quote(product_id=product_id, price_cents=answer.json()["price_cents"], source="supplier")
