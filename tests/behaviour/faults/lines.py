"""How the app logs: three libraries, handlers of its own, a queue. What its handlers wrote is in `LINES`."""

from __future__ import annotations

import logging
import logging.handlers
import queue
import sys
from typing import Any

import structlog
from loguru import logger as loguru_logger

LINES: list[str] = []


class Shown(logging.Formatter):
    """The app's own formatter: message and class of exception, nothing that differs from run to run."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else "-"
        return f"{record.name} {record.levelname} {record.getMessage()} {error} {getattr(record, 'order', '-')}"


class Kept:
    """The stream of the app's own handlers: as a file is."""

    def write(self, text: str) -> None:
        """Keep a line."""
        LINES.append(text)

    def flush(self) -> None:
        """It is kept."""


def _handler() -> logging.Handler:
    handler = logging.StreamHandler(Kept())
    handler.setFormatter(Shown())
    return handler


LOG = logging.getLogger("app")
LOG.setLevel(logging.INFO)
LOG.addHandler(_handler())
LOG.addHandler(logging.StreamHandler())
QUEUE: queue.SimpleQueue[Any] = queue.SimpleQueue()
QUEUED = logging.getLogger("queued")
QUEUED.setLevel(logging.INFO)
QUEUED.propagate = False
QUEUED.addHandler(logging.handlers.QueueHandler(QUEUE))
LISTENERS = (_handler(), logging.StreamHandler())
logging.getLogger("uvicorn.error").addHandler(_handler())
loguru_logger.remove()
loguru_logger.add(lambda message: LINES.append(f"loguru {message}"), format="{level} {message} {extra}")
loguru_logger.add(sys.stderr)
EVENTS = structlog.wrap_logger(
    logging.getLogger("app.events"),
    wrapper_class=structlog.stdlib.BoundLogger,
    processors=[structlog.stdlib.filter_by_level, structlog.processors.KeyValueRenderer(sort_keys=True)],
)
PRINTED = structlog.wrap_logger(structlog.PrintLogger(), processors=[structlog.processors.JSONRenderer()])
