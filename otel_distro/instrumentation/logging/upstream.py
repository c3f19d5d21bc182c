"""Apps written for upstream's instrumentation: what they ask of log records works, without its handler (no doubles).

`set_logging_format`, `inject_trace_context`, `log_hook`, and the variables `OTEL_PYTHON_LOG_CORRELATION`, `_FORMAT` and
`_LEVEL`.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from otel_distro import config
from otel_distro.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FIELDS = ("otelSpanID", "otelTraceID", "otelTraceSampled", "otelServiceName")
"""What upstream puts on a record."""
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_FORMAT = "%(levelname)s [%(name)s] [trace_id=%(otelTraceID)s span_id=%(otelSpanID)s] %(message)s"
_HOOK = guard("logging.log_hook")


class Factory:
    """Makes log records with what was asked for on them, until `remove`."""

    def __init__(self, given: Mapping[str, Any], *, inject: bool) -> None:
        self._inject = inject
        self._hook = given.get("log_hook")
        self._provider = given.get("tracer_provider")
        self._make = logging.getLogRecordFactory()
        logging.setLogRecordFactory(self)

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        """A record as before, with the ids of the span in hand."""
        record = self._make(*args, **kwargs)
        span = trace.get_current_span()
        identity = span.get_span_context()
        if self._inject:
            known = identity.is_valid
            record.otelSpanID = f"{identity.span_id:016x}" if known else "0"
            record.otelTraceID = f"{identity.trace_id:032x}" if known else "0"
            record.otelTraceSampled = known and identity.trace_flags.sampled
            record.otelServiceName = self._service()
        if identity.is_valid and callable(self._hook):
            with _HOOK:
                self._hook(span, record)
        return record

    def remove(self) -> None:
        """Records are as before, unless someone else has wrapped ours since."""
        if logging.getLogRecordFactory() is self:
            logging.setLogRecordFactory(self._make)

    def _service(self) -> str:
        provider = self._provider or trace.get_tracer_provider()
        resource = getattr(provider, "resource", None)
        return "" if resource is None else str(resource.attributes.get("service.name") or "")


def asked_for(given: Mapping[str, Any]) -> Factory | None:
    """What these options of `instrument()`, or the variables, ask for; `basicConfig` is called when they say so."""
    correlated = config.environment("OTEL_PYTHON_LOG_CORRELATION").strip().lower() == "true"
    formatted = bool(given.get("set_logging_format", correlated))
    if formatted:
        text = given.get("logging_format") or config.environment("OTEL_PYTHON_LOG_FORMAT") or _default_format()
        level = given.get("log_level") or _LEVELS.get(config.environment("OTEL_PYTHON_LOG_LEVEL"), logging.INFO)
        logging.basicConfig(format=text, level=level)
    inject = formatted or bool(given.get("inject_trace_context"))
    return Factory(given, inject=inject) if inject or callable(given.get("log_hook")) else None


def _default_format() -> str:
    try:
        constants = import_module("opentelemetry.instrumentation.logging.constants")
    except ImportError:
        return _FORMAT
    return str(constants.DEFAULT_LOGGING_FORMAT)


def instrument(ours: Callable[[], Any]) -> Callable[..., None]:
    """Upstream's `instrument()`, as ours: an app that calls it means its options."""

    def called(_self: Any, **given: Any) -> None:
        ours().configure(given)

    return called
