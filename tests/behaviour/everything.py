"""A script that does what the shop does not: it waits for a pool in vain, binds a user, and fails to format a line."""

from __future__ import annotations

import logging
import threading

import httpx
from sqlalchemy import create_engine, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

import otel_distro

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("everything")


def exhaust_a_pool() -> None:
    """Borrow the only connection, and ask for another."""
    engine = create_engine("sqlite://", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.05)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE item (id INTEGER)"))
        connection.execute(text("INSERT INTO item VALUES (:id)"), [{"id": 1}, {"id": 2}])
        try:
            engine.connect()
        except PoolTimeoutError:
            logger.info("no connection in time")
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO item VALUES (3)"))
        connection.rollback()
        try:
            connection.execute(text("SELECT nothing FROM nowhere"))
        except Exception:
            logger.exception("a broken statement")


def call_nobody() -> None:
    """Call a port where nobody listens."""
    try:
        httpx.get("http://127.0.0.1:9/nothing?token=secret")
    except httpx.ConnectError:
        logger.info("nobody there")


if __name__ == "__main__":
    otel_distro.bind(user="alice", session="s-1", tier="free", tenant="acme")
    exhaust_a_pool()
    call_nobody()
    logger.info("%d", "not a number")
    logger.info("from here", stack_info=True)
    thread = threading.Thread(target=logger.info, args=("from a thread",), name="other")
    thread.start()
    thread.join()
