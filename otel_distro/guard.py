"""The only broad `except`: telemetry never breaks the application it watches."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

FAULT = Exception
"""What code of ours may fail with: `except FAULT as fault: report(...)` is a guard that costs a hot path nothing."""

failures: dict[str, int] = {}
"""How often each guarded place failed, by its name; read by the self-metrics."""


class guard:  # noqa: N801 - reads as a statement: `with guard("celery.postrun"):`
    """Swallow, count and log once per place any `Exception` of our own code; never wrap the application's code."""

    __slots__ = ("where",)

    def __init__(self, where: str) -> None:
        self.where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> bool:
        if kind is None:
            return False
        if not issubclass(kind, Exception):
            return False
        report(self.where, error)
        return True


def _unprintable(failure: Exception) -> str:
    return f"<unprintable: {type(failure).__name__}>"


def rendered(render: Callable[[], str], instead: Callable[[Exception], str] = _unprintable) -> str:
    """Text made by the application's own code (`__str__`, a format), or a note in its place when that raises."""
    try:
        return render()
    except Exception as failure:
        return instead(failure)


def report(where: str, error: BaseException | None) -> None:
    """Count a failure of our own at `where`, and log the first one there."""
    seen = failures.get(where, 0)
    failures[where] = seen + 1
    if not seen:
        with suppress(Exception):  # a handler or filter of the app's may fail, too
            from logging import getLogger  # an app that only binds a user need not load it

            message = "telemetry failed in %s, the application goes on: %r"
            getLogger("otel_distro").warning(message, where, error, exc_info=error)
