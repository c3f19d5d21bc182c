"""Single clients: what `instrument_client` and `uninstrument_client` do to the transports of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_distro.instrumentation.httpx.transport import ASYNC, SYNC, plain, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otel_distro.instrumentation.httpx.attempt import Attempts


class Own:
    """A method that one transport has of its own, in place of its class's."""

    __slots__ = ("_method", "_transport", "before")

    def __init__(self, transport: Any, method: Callable[[Any, Any], Any], before: Any) -> None:
        self._transport = transport
        self._method = method
        self.before = before
        """What the app had put there; None: nothing."""

    def __call__(self, request: Any) -> Any:
        """Handle a request."""
        return self._method(self._transport, request)


def instrument(client: Any, attempts: Attempts) -> None:
    """Watch the client's transports with options of their own, whatever they are, and whatever holds for others."""
    for transport, name in _methods(client):
        before = _before(transport, name)
        setattr(transport, name, Own(transport, wrapped(attempts, name, unwatched(transport, name)), before))


def uninstrument(client: Any) -> None:
    """Watch the client's transports no more, whatever holds for others."""
    for transport, name in _methods(client):
        before, method = _before(transport, name), getattr(type(transport), name)
        if before is not None:
            setattr(transport, name, before)
        elif plain(method) is not method:
            setattr(transport, name, Own(transport, plain(method), None))
        else:
            vars(transport).pop(name, None)


def unwatched(transport: Any, name: str) -> Callable[[Any, Any], Any]:
    """A transport's method as it is without us; it takes the transport, too, as a class's method does."""
    before = _before(transport, name)
    if before is None:
        method: Callable[[Any, Any], Any] = plain(getattr(type(transport), name))
        return method
    return lambda _transport, request: before(request)


def _before(transport: Any, name: str) -> Any:
    """The method that the app has put on a transport itself, or None."""
    found = vars(transport).get(name)
    return found.before if isinstance(found, Own) else found


def _methods(client: Any) -> Iterator[tuple[Any, str]]:
    """Each transport of the client, and the name of each method by which it handles requests."""
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001 - there is no other way to them
        for name in (SYNC, ASYNC):
            if hasattr(type(transport), name):
                yield transport, name
