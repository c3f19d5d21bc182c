"""Answers that take a while: a chat, a stream of events, a download."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Path, Query, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

CHUNK = b"0123456789abcdef" * 4096
LARGEST_DOWNLOAD = 1 << 30
BYTE_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)

logger = logging.getLogger(__name__)
router = APIRouter()


@router.websocket("/ws/chat")
async def chat(websocket: WebSocket) -> None:
    """Echo every message until the customer says bye."""
    await websocket.accept()
    logger.info("chat opened")
    messages = 0
    try:
        while (message := await websocket.receive_text()) != "bye":
            messages += 1
            await websocket.send_text(message)
        await websocket.close()
    except WebSocketDisconnect:
        logger.info("the customer left the chat")
    logger.info("chat closed after %s messages", messages)


@router.get("/events")
async def events(
    count: Annotated[int, Query(ge=1, le=100_000)] = 5, interval: Annotated[float, Query(ge=0, le=60)] = 0.01
) -> StreamingResponse:
    """Send some server-sent events."""
    return StreamingResponse(ticks(count, interval), media_type="text/event-stream")


async def ticks(count: int, interval: float) -> AsyncIterator[str]:
    """Yield one event per interval."""
    for number in range(1, count + 1):
        yield f"id: {number}\nevent: tick\ndata: {number}\n\n"
        await asyncio.sleep(interval)
    logger.info("sent %s events", count)


@router.get("/download/{size}")
async def download(
    size: Annotated[int, Path(ge=1, le=LARGEST_DOWNLOAD)],
    byte_range: Annotated[str, Header(alias="range")] = "",
) -> StreamingResponse:
    """Stream that many bytes, or the asked part of them."""
    start, stop = wanted_bytes(byte_range, size)
    headers = {"accept-ranges": "bytes", "content-length": str(stop - start)}
    partial = stop - start < size
    if partial:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
    status = 206 if partial else 200
    return StreamingResponse(chunks(start, stop), status, headers, media_type="application/octet-stream")


def wanted_bytes(byte_range: str, size: int) -> tuple[int, int]:
    """Give the first byte and the one after the last; a range we do not understand means everything."""
    match = BYTE_RANGE.fullmatch(byte_range)
    if match is None or match.groups() == ("", ""):
        return 0, size
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop:
        raise HTTPException(416, "no such bytes", headers={"content-range": f"bytes */{size}"})
    return start, stop


async def chunks(start: int, stop: int) -> AsyncIterator[bytes]:
    """Yield the bytes of a file that repeats 16 characters for ever."""
    while start < stop:
        offset = start % 16
        chunk = CHUNK[offset : offset + stop - start]
        start += len(chunk)
        yield chunk
