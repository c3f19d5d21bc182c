"""An app that says far more than it should; without telemetry code of ours."""

from __future__ import annotations

import logging

from fastapi import FastAPI

app = FastAPI()
logging.getLogger().setLevel(logging.DEBUG)
logger = logging.getLogger("flooded")
TEXT = "x" * 4000


@app.get("/order/{number}")
async def order(number: int) -> dict[str, int]:
    for _ in range(20):
        logger.debug("%s", TEXT)
    for _ in range(5):
        logger.info("%s", TEXT)
    if number % 10 == 0:
        logger.error("lost %d", number)
    return {"order": number}
