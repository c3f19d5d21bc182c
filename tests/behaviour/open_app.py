"""An app whose requests stay open until it is told to end them; without telemetry code of ours."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from opentelemetry import trace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

app = FastAPI()
logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("open")
released = asyncio.Event()


@app.get("/stream/{number}")
async def stream(number: int) -> StreamingResponse:
    async def events() -> AsyncIterator[str]:
        with trace.get_tracer("app").start_as_current_span("prepare"):
            logger.info("opened %d", number)
        yield "data: begun\n\n"
        await released.wait()
        yield "data: done\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


@app.post("/release")
async def release() -> dict[str, bool]:
    released.set()
    return {"released": True}
