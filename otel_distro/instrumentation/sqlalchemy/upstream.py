"""Upstream's instrumentor, for apps that call it themselves: same calls and options, our path, no doubles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor as Upstream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_distro.instrumentation.sqlalchemy import SqlalchemyInstrumentor

_REPLACED = ("instrument", "uninstrument", "is_instrumented_by_opentelemetry", "instrumentation_dependencies")


class SQLAlchemyInstrumentor(Upstream):
    """Upstream's class over our listeners. Its methods are put in place of upstream's while ours is on."""

    def instrument(self, **kwargs: Any) -> Any:
        """Take `engine=` or `engines=`, the commenter's options, providers; return the engine or engines."""
        _ours().configure(kwargs)
        return kwargs.get("engine") or kwargs.get("engines")

    def uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002 - upstream's signature
        """No telemetry of any engine until the next `instrument()`."""
        _ours().pause()

    @property
    def is_instrumented_by_opentelemetry(self) -> bool:
        """Whether engines are listened to."""
        return _ours().listening

    def instrumentation_dependencies(self) -> tuple[str, ...]:
        """Ours covers 2.0 and 2.1, where upstream's stops."""
        return ("sqlalchemy >= 2.0",)


def _ours() -> SqlalchemyInstrumentor:
    from otel_distro.instrumentation.sqlalchemy import SqlalchemyInstrumentor

    return SqlalchemyInstrumentor()


def adopt() -> Mapping[str, Any]:
    """Put our methods on upstream's class, which apps import themselves; return what it had."""
    instance = Upstream._instance  # noqa: SLF001 - BaseInstrumentor's singleton
    if instance is not None and vars(instance).get("_is_instrumented_by_opentelemetry"):
        instance.uninstrument()  # it was before us: without this each statement would have two spans
    had = {name: vars(Upstream)[name] for name in _REPLACED if name in vars(Upstream)}
    for name in _REPLACED:
        setattr(Upstream, name, vars(SQLAlchemyInstrumentor)[name])
    return had


def release(had: Mapping[str, Any]) -> None:
    """Give upstream's class back what `adopt` took."""
    for name in _REPLACED:
        if name in had:
            setattr(Upstream, name, had[name])
        else:
            delattr(Upstream, name)
