"""The OTLP/HTTP receiver: POST /v1/traces, /v1/metrics and /v1/logs, checked, then queued."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route

from otel_distro.viewer import points, rows
from otel_distro.viewer.access import LoopbackOnly
from otel_distro.viewer.decode import (
    JSON,
    MAX_BODY_BYTES,
    PROTOBUF,
    BodyError,
    decode,
    encode_error,
    encode_response,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message
    from starlette.requests import Request

    from otel_distro.viewer.rows import Batch
    from otel_distro.viewer.writer import Writer

RETRY_AFTER_SECONDS = "1"
FLATTEN: dict[str, Callable[[Message], Batch]] = {
    "traces": rows.spans,
    "metrics": points.points,
    "logs": rows.logs,
}


def receiver(writer: Writer) -> Starlette:
    """Return the ASGI application that queues what it receives at `writer`."""
    routes = [_route(signal, writer) for signal in FLATTEN]
    return Starlette(routes=routes, middleware=[Middleware(LoopbackOnly)])


def _route(signal: str, writer: Writer) -> Route:
    async def export(request: Request) -> Response:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in {PROTOBUF, JSON}:
            return Response(f"the content type must be {PROTOBUF} or {JSON}\n", 415, media_type="text/plain")
        try:
            body = await _read(request)
            encoding = request.headers.get("content-encoding", "").strip().lower()
            batch, size = await run_in_threadpool(_batch, signal, body, content_type, encoding)
        except BodyError as error:
            return Response(encode_error(content_type, error.reason), error.status, media_type=content_type)
        if not writer.submit(batch, size):
            headers = {"retry-after": RETRY_AFTER_SECONDS}
            return Response(encode_error(content_type, "the queue is full"), 503, headers, content_type)
        return Response(encode_response(signal, content_type, batch.rejected), 200, media_type=content_type)

    return Route(f"/v1/{signal}", export, methods=["POST"])


async def _read(request: Request) -> bytes:
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
        raise BodyError(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BodyError(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
    return bytes(body)


def _batch(signal: str, body: bytes, content_type: str, encoding: str) -> tuple[Batch, int]:
    message = decode(signal, body, content_type, encoding)
    return FLATTEN[signal](message), message.ByteSize()
