"""The distro that `opentelemetry-instrument` loads: defaults for others, and which instrumentor serves what."""

from __future__ import annotations

import gc
import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]

from otel_distro import config
from otel_distro.guard import guard

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_logger = logging.getLogger("otel_distro")
_PREFIX = "otel_distro."
FAILED = "it failed"
OWN = frozenset(
    {"fastapi", "sqlalchemy", "celery", "httpx", "logging", "structlog", "loguru", "threading", "exceptions"}
)
"""Names of instrumentors that are ours; upstream's of the same name is loaded only where the setting asks for it."""

_COVERED_BY_ASGI = frozenset({"starlette", "asgi"})
_BELOW_SQLALCHEMY = frozenset(
    {"aiopg", "asyncpg", "mysql", "mysqlclient", "psycopg", "psycopg2", "pymysql", "sqlite3", "pymssql"}
)
_SHARED_ENTRY = {"httpx2": "httpx2"}
"""Entry points whose module imports another library than the one they are for; by the module they are for."""

_DEFAULTS = {
    "OTEL_PYTHON_CONFIGURATOR": "otel_distro",
    "OTEL_SEMCONV_STABILITY_OPT_IN": "http,database,gen_ai",
}
"""For upstream's loader and instrumentations; what the user set stays."""


_LOADER = "opentelemetry.instrumentation.auto_instrumentation._load"


def _concerns_others(record: logging.LogRecord) -> bool:
    """False for the loader's complaint that upstream's instrumentation does not fit a library which ours covers."""
    name = record.getMessage().partition(" ")[0]
    return name not in OWN or name in config.current().upstream_instrumentation


class Distro(BaseDistro):  # type: ignore[misc]
    """Entry point `otel_distro` of `opentelemetry_distro`."""

    def _configure(self, **kwargs: Any) -> None:  # noqa: ARG002 - upstream's signature
        config.default_environment(_DEFAULTS)
        for problem in config.withdraw_bad_limits():
            _logger.warning("%s", problem)
        logging.getLogger(_LOADER).addFilter(_concerns_others)

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:
        """Load one instrumentor; its failure is logged and stops no other."""
        reason = switch_on(entry_point, **kwargs)
        if reason:
            _logger.debug("instrumentation %s is not on: %s", entry_point.value, reason)


def switch_on(entry_point: EntryPoint, **kwargs: Any) -> str:
    """Switch an instrumentor on; why it is not, or an empty string when it is."""
    reason = left_out(entry_point.name, entry_point.value, config.current())
    if reason:
        return reason
    with guard(f"instrument.{entry_point.name}"):
        try:
            entry_point.load()().instrument(**kwargs)
        except ModuleNotFoundError as missing:  # absent is not broken
            return f"{missing.name} is not installed"
        return ""
    return FAILED


def left_out(name: str, value: str, settings: config.Settings) -> str:
    """Why an instrumentor is not loaded, or an empty string when it is."""
    asked = name in settings.upstream_instrumentation
    if settings.disabled:
        return "OTEL_SDK_DISABLED is set"
    if value.startswith(_PREFIX):
        return "OTEL_DISTRO_UPSTREAM_INSTRUMENTATION names it" if asked else ""
    if asked:
        return ""
    if name in OWN:
        return "otel-distro has its own"
    if name in _SHARED_ENTRY and find_spec(_SHARED_ENTRY[name]) is None:
        return "its library is not installed"
    if name in _COVERED_BY_ASGI:
        return "the ASGI instrumentation covers it"
    if name in _BELOW_SQLALCHEMY and find_spec("sqlalchemy") is not None:
        return "SQLAlchemy's statements are observed above it"
    return ""


def settled() -> None:
    """Entry point `otel_distro` of `opentelemetry_post_instrument`: all is loaded, the application comes next.

    What is there now lives as long as the process. Frozen, it is left out of each full garbage collection, the first of
    which comes while the application starts and would take about twice as long.
    """
    if not config.current().disabled:
        gc.freeze()
