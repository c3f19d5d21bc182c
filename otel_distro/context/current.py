"""OpenTelemetry's current context, without the two calls that the API makes on its way to the context variable."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from opentelemetry import context as api
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context


def _shortest() -> Callable[[], Context]:
    """The variable's own method; where OTEL_PYTHON_CONTEXT names another kind of context, the API's function."""
    runtime = getattr(api, "_RUNTIME_CONTEXT", None)
    variable = getattr(runtime, "_current_context", None)
    if type(runtime) is ContextVarsRuntimeContext and isinstance(variable, ContextVar):
        return variable.get
    return api.get_current


get_current = _shortest()
"""See `opentelemetry.context.get_current`: a request asks ten times."""
