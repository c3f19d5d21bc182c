"""Our shorter way to the current context finds what the API finds."""

from __future__ import annotations

import pytest
from opentelemetry import context as api
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext

from otel_distro.context import current


def test_the_current_context_is_the_apis() -> None:
    """Before, inside and after an attached context."""
    before = current.get_current()
    token = api.attach(api.set_value("key", "value"))
    inside = current.get_current()
    api.detach(token)
    assert inside["key"] == "value"
    assert current.get_current() is before is api.get_current()


def test_another_kind_of_context_is_asked_through_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_PYTHON_CONTEXT may name a class that keeps its contexts elsewhere, also one derived from the usual."""

    class Other(ContextVarsRuntimeContext):
        def get_current(self) -> api.Context:
            return api.Context({"key": "other"})

    monkeypatch.setattr(api, "_RUNTIME_CONTEXT", Other())
    assert current._shortest()()["key"] == "other"
