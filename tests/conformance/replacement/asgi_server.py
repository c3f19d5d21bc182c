"""Our ASGI instrumentation is on: it takes over upstream's `OpenTelemetryMiddleware`.

It watches each ASGI scope once; a server gives each request one of its own. These tests use theirs again.
"""

from __future__ import annotations

from typing import Any

from asgiref.testing import ApplicationCommunicator

from otel_distro.instrumentation.asgi import AsgiInstrumentor
from otel_distro.instrumentation.asgi.scope import MARK

begin = ApplicationCommunicator.__init__


def begin_anew(self: Any, application: Any, scope: dict[str, Any]) -> None:
    """Begin a request with a scope that nobody has watched."""
    scope.pop(MARK, None)
    begin(self, application, scope)


ApplicationCommunicator.__init__ = begin_anew
AsgiInstrumentor().instrument()
