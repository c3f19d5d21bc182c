"""What the application tells of itself: errors it has caught, messages, and steps on the way."""

from __future__ import annotations

from otel_distro.guard import FAULT, report

# What these need is loaded at the first call: who only imports the package pays nothing for it.


def capture_exception(error: BaseException | None = None, **context: object) -> None:
    """Record an exception that the app has caught, the one being handled by default; `context` goes with the record.

    As any error it is recorded once, with its fingerprint and what came before it, and never raises.
    """
    try:
        from otel_distro.logs.captured import exception

        exception(error, context)
    except FAULT as fault:
        report("capture.exception", fault)


def capture_message(message: str, level: str = "error", **context: object) -> None:
    """Record a message of this level (debug, info, warning, error, critical), exported and on the console."""
    try:
        from otel_distro.logs.captured import text

        text(message, level, context)
    except FAULT as fault:
        report("capture.message", fault)


def breadcrumb(message: str, category: str = "app", **data: object) -> None:
    """Remember a step of the request or task in hand, for an error that may follow; by itself it is never sent."""
    try:
        from otel_distro.logs.captured import step

        step(message, category, data)
    except FAULT as fault:
        report("capture.breadcrumb", fault)
