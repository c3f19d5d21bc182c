"""SQLAlchemy 2.0 and 2.1, sync and async: every engine's statements, slow queries, transactions and pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace

from otel_distro._version import __version__
from otel_distro.instrumentation import Instrumentor
from otel_distro.semconv.db import SCOPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import ModuleType

    from sqlalchemy.engine import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from otel_distro.instrumentation.sqlalchemy.queries import Options

__all__ = ["SqlalchemyInstrumentor"]


class SqlalchemyInstrumentor(Instrumentor):
    """Listens on SQLAlchemy's classes; upstream's `SQLAlchemyInstrumentor` leads here where an app calls it.

    Options of `instrument()` as upstream's: `engine`, `engines`, `enable_commenter`, `commenter_options`,
    `enable_attribute_commenter`, `tracer_provider`, `meter_provider`.
    """

    _all: Options | None = None
    """What holds for all engines; None: no engine is watched."""
    _upstream: Mapping[str, Any] | None = None

    def hooks(self) -> dict[str, Callable[[ModuleType, dict[str, Any]], None]]:
        """What to do once the app has imported SQLAlchemy, or upstream's instrumentation of it."""
        return {"sqlalchemy": self._listen, "opentelemetry.instrumentation.sqlalchemy": self._adopt}

    def unhook(self) -> None:
        """Every engine, pool and class is as before."""
        self.pause()
        if self._upstream is not None:
            from otel_distro.instrumentation.sqlalchemy import upstream

            upstream.release(self._upstream)
            self._upstream = None

    @property
    def listening(self) -> bool:
        """Whether SQLAlchemy's engines are listened to now."""
        return self._all is not None

    def configure(self, options: Mapping[str, Any]) -> None:
        """Take the options for the engines they name, else for all; listen again after a `pause()`."""
        from otel_distro.instrumentation.sqlalchemy import listen, pool, queries
        from otel_distro.instrumentation.sqlalchemy.commenter import Commenter
        from otel_distro.instrumentation.sqlalchemy.database import database_of

        tracer = trace.get_tracer(SCOPE, __version__, options.get("tracer_provider"))
        pool.observe_with(metrics.get_meter(SCOPE, __version__, options.get("meter_provider")))
        if self._all is None:
            self._all = queries.Options(tracer)
            listen.start(self._all)
        commenter = Commenter.asked_for(options)
        if commenter is not None:
            listen.comment(self._all)
        engines = _engines(options)
        for engine in engines:
            database = database_of(engine, self._all)
            database.commenter, database.tracer = commenter, tracer
        if not engines:
            self._all.commenter, self._all.tracer = commenter, tracer

    def pause(self) -> None:
        """No telemetry of any engine, until `configure()` is called again."""
        if self._all is not None:
            from otel_distro.instrumentation.sqlalchemy import listen

            listen.stop(self._all)
            self._all = None

    def _listen(self, _module: ModuleType, options: dict[str, Any]) -> None:
        if self._all is None:
            self.configure(options)

    def _adopt(self, _module: ModuleType, _options: dict[str, Any]) -> None:
        if self._upstream is None:
            from otel_distro.instrumentation.sqlalchemy import upstream

            self._upstream = upstream.adopt()


def _engines(options: Mapping[str, Any]) -> list[Engine]:
    named: Iterable[Engine | AsyncEngine] = options.get("engines") or ()
    one = options.get("engine")
    return [getattr(engine, "sync_engine", engine) for engine in (*named, *([one] if one is not None else ()))]
