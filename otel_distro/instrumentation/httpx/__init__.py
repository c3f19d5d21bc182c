"""httpx: a span around each attempt of a request, its trace context sent along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_distro.instrumentation import Instrumentor, StandBack
from otel_distro.instrumentation.httpx import client as clients
from otel_distro.instrumentation.httpx import upstream
from otel_distro.instrumentation.httpx.attempt import Attempts
from otel_distro.instrumentation.httpx.options import options
from otel_distro.instrumentation.httpx.transport import ASYNC, SYNC, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType


class HttpxInstrumentor(Instrumentor):
    """Instruments httpx's own transports, so all clients, old and new; an app's own stay as they are.

    Options of `instrument()` as upstream's: `request_hook`, `response_hook`, `async_request_hook`,
    `async_response_hook`, `tracer_provider`.
    """

    _httpx: ModuleType | None = None
    _patched: tuple[tuple[type, str, Any, Any], ...] = ()
    _upstream = StandBack(**upstream.METHODS)
    _transports: ModuleType | None = None

    instrument_client = staticmethod(upstream.instrument_client)
    uninstrument_client = staticmethod(clients.uninstrument)

    def hooks(self) -> dict[str, Callable[[ModuleType, dict[str, Any]], None]]:
        """The transports when httpx is imported, upstream's instrumentor when the app imports that."""
        return {"httpx": self._hook_transports, "opentelemetry.instrumentation.httpx": self._hook_upstream}

    def unhook(self) -> None:
        """Give the transports and upstream's classes their methods back."""
        self.pause()
        self._httpx = None
        if self._transports is not None:
            upstream.release_transports(self._transports)
            self._transports = None
        self._upstream.release()

    def configure(self, given: Mapping[str, Any]) -> None:
        """Watch all clients with these options, in place of those before."""
        self.pause()
        if self._httpx is not None:
            attempts = Attempts(options(given))
            self._patched = (
                _patch(self._httpx.HTTPTransport, SYNC, attempts),
                _patch(self._httpx.AsyncHTTPTransport, ASYNC, attempts),
            )

    def pause(self) -> None:
        """Watch no client but those instrumented one by one, until `configure()` is called."""
        for owner, name, original, ours in self._patched:
            if vars(owner).get(name) is ours:  # unless someone else has wrapped it since
                setattr(owner, name, original)
        self._patched = ()

    def _hook_transports(self, module: ModuleType, given: dict[str, Any]) -> None:
        self._httpx = module
        if not self._patched:
            self.configure(given)

    def _hook_upstream(self, module: ModuleType, _given: dict[str, Any]) -> None:
        self._upstream.hold(module.HTTPXClientInstrumentor)
        self._transports = module
        upstream.take_transports_over(module)


def _patch(owner: type, name: str, attempts: Attempts) -> tuple[type, str, Any, Any]:
    original = vars(owner)[name]
    ours = wrapped(attempts, name, original)
    setattr(owner, name, ours)
    return owner, name, original, ours
