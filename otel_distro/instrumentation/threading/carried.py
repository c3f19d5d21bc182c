"""What one thread hands to another: the OpenTelemetry context and the work in hand, and no other variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import context as context_api

from otel_distro.context.work import CURRENT

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context

    from otel_distro.context.work import Work

KEY = "_otel_distro_carried"
"""The attribute of a thread or work item that holds it, until it runs."""


class Carried:
    """Current between `enter` and `leave`, once; before and after, the thread has what it had."""

    __slots__ = ("_attached", "_set", "context", "work")

    def __init__(self, context: Context, work: Work | None) -> None:
        self.context = context
        self.work = work
        self._attached: Token[Context] | None = None
        self._set: Token[Work | None] | None = None

    def enter(self) -> None:
        """Make it current."""
        self._attached = context_api.attach(self.context)
        self._set = CURRENT.set(self.work)

    def leave(self) -> None:
        """Put back what was there before."""
        if self._set is not None:
            CURRENT.reset(self._set)
        if self._attached is not None:
            context_api.detach(self._attached)


def in_hand() -> Carried | None:
    """What the caller's thread has in hand; None when that is nothing."""
    context = context_api.get_current()
    work = CURRENT.get()
    return Carried(context, work) if context or work is not None else None
