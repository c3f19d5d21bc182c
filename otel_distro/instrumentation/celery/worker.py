"""The worker's own lines about a message (`received`, a time limit, a lost process): in its publisher's trace and work.

They are logged in the process that takes messages in, where no run of theirs has a span.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY

from otel_distro.context.carry import work_in
from otel_distro.context.work import CURRENT
from otel_distro.guard import guard
from otel_distro.instrumentation.celery.execute import parent_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import Token
    from types import ModuleType

    from opentelemetry.context import Context

    from otel_distro.context.work import Work

    _Hold = tuple[Token[Context], Token[Work | None]]

_ENTER, _LEAVE = guard("celery.worker.enter"), guard("celery.worker.leave")
_METHODS = ("on_timeout", "on_failure", "revoked")
"""Of a worker's request: those that log."""


class Worker:
    """Puts what a message's headers say in hand while the worker handles the message."""

    def __init__(self) -> None:
        self._active = True
        self._replaced: list[tuple[Any, str, Any, Any]] = []

    def watch_messages(self, strategy: ModuleType) -> None:
        """From a message's arrival until it is handed to the pool; of workers that start from now on."""
        self._replace(strategy, "default", self._strategy)

    def watch_requests(self, request: type) -> None:
        """When the pool reports on it later."""
        for name in _METHODS:
            self._replace(request, name, self._method)

    def release(self) -> None:
        """Put Celery's own back; what running workers already hold does nothing from here on."""
        self._active = False
        for owner, name, ours, original in self._replaced:
            if vars(owner).get(name) is ours:
                setattr(owner, name, original)

    def _replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        original = vars(owner)[name]
        if any(original is ours for _, _, ours, _ in self._replaced):
            return
        ours = make(original)
        setattr(owner, name, ours)
        self._replaced.append((owner, name, ours, original))

    def _strategy(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def default(*args: Any, **options: Any) -> Any:
            handler = original(*args, **options)

            @wraps(handler)
            def handle(message: Any, *more: Any, **named: Any) -> Any:
                hold = None
                with _ENTER:
                    hold = self._hold(lambda: message.headers)
                try:
                    return handler(message, *more, **named)
                finally:
                    with _LEAVE:
                        _let_go(hold)

            return handle

        return default

    def _method(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def method(request: Any, *args: Any, **named: Any) -> Any:
            hold = None
            with _ENTER:
                hold = self._hold(lambda: request.request_dict)
            try:
                return original(request, *args, **named)
            finally:
                with _LEAVE:
                    _let_go(hold)

        return method

    def _hold(self, headers: Callable[[], Mapping[str, Any] | None]) -> _Hold | None:
        """Nothing to do when a span is current: it is this message's, within its handler."""
        here = context_api.get_current()
        held = trace.get_current_span(here).get_span_context().is_valid
        if not self._active or held or here.get(_SUPPRESS_INSTRUMENTATION_KEY):
            return None
        found = headers()
        parent, work = parent_in(found), work_in(found)
        return context_api.attach(parent), CURRENT.set(work)


def _let_go(hold: _Hold | None) -> None:
    if hold is not None:
        context_api.detach(hold[0])
        CURRENT.reset(hold[1])
