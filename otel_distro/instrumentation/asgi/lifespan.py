"""The application's lifespan: when it is over, what was recorded leaves before the server is told."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

import anyio

from otel_distro import config
from otel_distro.guard import guard
from otel_distro.instrumentation.asgi.scope import MARK
from otel_distro.record import HANDOVER

if TYPE_CHECKING:
    from otel_distro.instrumentation.asgi.scope import Message, Receive, Scope, Send

_OVER = ("lifespan.shutdown.complete", "lifespan.shutdown.failed", "lifespan.startup.failed")
_POLL_SECONDS = 0.005


class Lifespan:
    """Stands between server and application for the messages of the lifespan."""

    __slots__ = ("_send",)

    def __init__(self, scope: Scope) -> None:
        scope[MARK] = None

    def channels(self, receive: Receive, send: Send) -> tuple[Receive, Send]:
        """The server's, but for the last message."""
        self._send = send
        return receive, self.send

    async def send(self, message: Message) -> None:
        """Pass a message on; before the last one, flush."""
        if message["type"] in _OVER:
            with guard("asgi.lifespan"):
                await flush(config.current().shutdown_timeout)
        await self._send(message)

    def failed(self, error: BaseException) -> None:
        """The server reports what fails here."""

    def end(self) -> None:
        """Nothing was opened."""


async def flush(timeout_seconds: float) -> None:
    """Flush in a thread, while the event loop goes on; returns at the deadline whatever the thread does."""
    thread = Thread(target=_flush, args=(timeout_seconds,), name="otel-distro-flush", daemon=True)
    thread.start()
    with anyio.move_on_after(timeout_seconds):
        while thread.is_alive():  # noqa: ASYNC110 - no event can be set from a thread under every event loop
            await anyio.sleep(_POLL_SECONDS)


def _flush(timeout_seconds: float) -> None:
    with guard("asgi.lifespan.flush"):
        HANDOVER.sink.flush(int(timeout_seconds * 1000))
