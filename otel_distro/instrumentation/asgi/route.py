"""The route that a request took: its template with the mounts before it."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from otel_distro.context.work import Work
from otel_distro.guard import FAULT, report
from otel_distro.instrumentation.asgi.scope import MARK

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from otel_distro.instrumentation.asgi.scope import Receive, Scope, Send

    Handle = Callable[[Any, Scope, Receive, Send], Awaitable[None]]

_REST = "/{path}"


class RequestWork(Work):
    """The work of a request; being in the scope, it also learns the route from whoever matches it."""

    __slots__ = ("prefix", "route")

    def __init__(self, fields: dict[str, str]) -> None:
        self.fields = fields
        self.ended_ns = 0
        self.prefix = ""
        self.route: str | None = None


def noting_route(handle: Handle) -> Handle:
    """`Route.handle` and its like: note the template of the route that was chosen."""

    @wraps(handle)
    def noted(self: Any, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        try:
            work = scope.get(MARK)
            if work is not None:
                work.route = work.prefix + self.path_format
        except FAULT as fault:
            report("asgi.route", fault)
        return handle(self, scope, receive, send)

    return noted


def noting_included_route(handle: Handle) -> Handle:
    """`APIRoute.handle` of a FastAPI that includes routers by reference: the route lacks their prefix."""

    @wraps(handle)
    def noted(self: Any, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        try:
            work = scope.get(MARK)
            if work is not None:
                effective: Any = (scope.get("fastapi") or {}).get("effective_route_context")
                included = effective is not None and effective.original_route is self
                work.route = work.prefix + (effective if included else self).path_format
        except FAULT as fault:
            report("asgi.route", fault)
        return handle(self, scope, receive, send)

    return noted


def noting_mount(handle: Handle) -> Handle:
    """`Mount.handle`: what matches inside has this prefix; an app without routes is one route itself."""

    @wraps(handle)
    def noted(self: Any, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        try:
            work = scope.get(MARK)
            if work is not None:
                work.prefix += self.path_format.removesuffix(_REST)
                work.route = None if self.routes else work.prefix + _REST
        except FAULT as fault:
            report("asgi.route", fault)
        return handle(self, scope, receive, send)

    return noted


def route_of(work: RequestWork, scope: Scope) -> str | None:
    """What was noted; else what the scope says, for route classes that answer in a way of their own."""
    if work.route is not None:
        return work.route
    route = scope.get("route")
    template = getattr(route, "path_format", None)
    if not isinstance(template, str) or getattr(route, "routes", None) is not None:
        return None
    return work.prefix + template
