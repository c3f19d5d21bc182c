"""Tables and first rows, made at the start of whichever process comes first."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select, text

from shop.models import Base, Customer, Product
from shop.passwords import hashed

SCHEMA_LOCK = 20_260_101
PRODUCTS = (
    {"id": 1, "name": "Tea", "price_cents": 450},
    {"id": 2, "name": "Teapot", "price_cents": 2900},
    {"id": 3, "name": "Kettle", "price_cents": 5900},
)


def prepare(connection: Connection) -> None:
    """Create what is missing; a second process waits here and then finds it done."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SCHEMA_LOCK})
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    Base.metadata.create_all(connection)
    if connection.scalar(select(func.count()).select_from(Product)):
        return
    connection.execute(insert(Product), PRODUCTS)
    password_hash = hashed("wonderland", salt="demo")
    connection.execute(insert(Customer).values(username="alice", salt="demo", password_hash=password_hash))
