"""Celery: a span around each publish and each run, in one trace; flushed before a worker's process ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from otel_distro._version import __version__
from otel_distro.instrumentation import Instrumentor, StandBack
from otel_distro.instrumentation.celery.execute import Execution
from otel_distro.instrumentation.celery.publish import Sender
from otel_distro.instrumentation.celery.worker import Worker
from otel_distro.semconv.messaging import SCOPE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

_SENDER = "send_task_message"


def _upstream_instrument(_self: Any, **given: Any) -> None:
    """An app that calls upstream's `instrument()` means ours, with its options."""
    CeleryInstrumentor().configure(given)


class CeleryInstrumentor(Instrumentor):
    """Instruments every Celery application of the process, made before or after.

    Options of `instrument()` as upstream's: `use_span_links` (a run is linked to its publish, and has a trace of its
    own), `tracer_provider`.
    """

    _amqp: type | None = None
    _execution: Execution | None = None
    _worker: Worker | None = None
    _upstream = StandBack(instrument=_upstream_instrument)

    def hooks(self) -> dict[str, Callable[[ModuleType, dict[str, Any]], None]]:
        """Publishing in `celery.app.amqp`, runs in `celery.app.trace`, a worker's own lines; all imported by need."""
        return {
            "celery.app.amqp": self._hook_publish,
            "celery.app.trace": self._hook_execute,
            "celery.worker.request": lambda module, _options: self._watched().watch_requests(module.Request),
            "celery.worker.strategy": lambda module, _options: self._watched().watch_messages(module),
            "opentelemetry.instrumentation.celery": self._hook_upstream,
        }

    def configure(self, given: Mapping[str, Any]) -> None:
        """Take these options in place of those before."""
        self._options = given
        if self._amqp is not None:
            self._amqp.__dict__[_SENDER].tracer = _tracer(given)
        if self._execution is not None:
            self._execution.use(_tracer(given), links=bool(given.get("use_span_links")))

    def _hook_publish(self, module: ModuleType, options: dict[str, Any]) -> None:
        sender = module.AMQP.__dict__[_SENDER]
        if not isinstance(sender, Sender):
            self._amqp = module.AMQP
            setattr(module.AMQP, _SENDER, Sender(sender, _tracer(options)))

    def _hook_execute(self, module: ModuleType, options: dict[str, Any]) -> None:
        if self._execution is None:
            control = {module.Retry: "retry", module.Ignore: "ignored", module.Reject: "rejected"}
            self._execution = Execution(module.signals, control)
            self._execution.use(_tracer(options), links=bool(options.get("use_span_links")))
            self._execution.connect()

    def _watched(self) -> Worker:
        self._worker = self._worker or Worker()
        return self._worker

    def _hook_upstream(self, module: ModuleType, _options: dict[str, Any]) -> None:
        self._upstream.hold(module.CeleryInstrumentor)

    def unhook(self) -> None:
        """Give Celery its own sender back, disconnect the signals, and free upstream's instrumentor."""
        if self._amqp is not None:
            setattr(self._amqp, _SENDER, self._amqp.__dict__[_SENDER].original)
            self._amqp = None
        if self._execution is not None:
            self._execution.disconnect()
            self._execution = None
        if self._worker is not None:
            self._worker.release()
            self._worker = None
        self._upstream.release()


def _tracer(options: Mapping[str, Any]) -> trace.Tracer:
    return trace.get_tracer(SCOPE, __version__, options.get("tracer_provider"))
