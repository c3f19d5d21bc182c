"""The pipeline: resource, providers, aggregation, exporters and their one thread, assembled."""

from __future__ import annotations

import logging
from collections import Counter
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, AlwaysOnExemplarFilter, TraceBasedExemplarFilter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource

from otel_distro.config import SIGNALS
from otel_distro.errors.record import forget as forget_errors
from otel_distro.exporter import Delivery
from otel_distro.exporter.deadline import within
from otel_distro.guard import failures
from otel_distro.pipeline.aggregate import Aggregator
from otel_distro.pipeline.decide import Decider
from otel_distro.pipeline.health import Health
from otel_distro.pipeline.instance import Slot, process_resource
from otel_distro.pipeline.logger import LoggerProvider
from otel_distro.pipeline.meter import MeterProvider
from otel_distro.pipeline.thread import Outputs, Worker
from otel_distro.pipeline.tracer import TracerProvider
from otel_distro.record import HANDOVER, Discard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.metrics.view import View
    from opentelemetry.sdk.trace.sampling import Sampler

    from otel_distro.config import Settings
    from otel_distro.exporter import Exporter

_logger = logging.getLogger("otel_distro")
_SETTLE_SECONDS = 2.0
_LEAST_MILLIS = 500
"""What other readers get to export a last time, even when ours took all the time."""
_EXEMPLAR_FILTERS: dict[str, Callable[[], Any]] = {
    "trace_based": TraceBasedExemplarFilter,
    "always_on": AlwaysOnExemplarFilter,
    "always_off": AlwaysOffExemplarFilter,
}


class Pipeline:
    """Everything between a record and its exporters, for one process and its forked children."""

    def __init__(self, settings: Settings, resource: Resource, *, own_instance_id: bool = True) -> None:
        self._settings = settings
        self.resource = resource
        self._slot = (
            Slot(settings.cache_dir, str(resource.attributes.get(SERVICE_NAME, ""))) if own_instance_id else None
        )
        self.aggregator = Aggregator(settings.cardinality_limit, exemplars=settings.exemplar_filter != "always_off")
        self.decider = Decider(settings.undecided_bytes, int(settings.slow_request_ms * 1e6), settings.keep_per_minute)
        self.worker = Worker(Outputs(), self.aggregator, self.decider, settings)
        self.worker.on_start = self._begin
        self.worker.on_flush = self._flush_others
        self.supervised = False
        self.begun = False
        """Whether something was recorded in this process."""
        self._forked = False

    def build(
        self,
        outputs: Outputs,
        *,
        readers: Sequence[MetricReader] = (),
        sampler: Sampler | None = None,
        views: Sequence[View] = (),
        **provider: Any,
    ) -> None:
        """Make the providers, with these outputs, further metric readers, sampler and views."""
        self.worker.use(outputs)
        own = () if outputs.reader is None else (outputs.reader,)
        self.meter_provider = MeterProvider(
            self.aggregator,
            self.worker,
            metric_readers=[*own, *readers],
            views=views,
            resource=self.resource,
            exemplar_filter=_EXEMPLAR_FILTERS[self._settings.exemplar_filter](),
        )
        if outputs.reader is not None:
            outputs.reader.so_far = partial(self.meter_provider.so_far, outputs.reader)
        self.tracer_provider = TracerProvider(
            take=self.worker.take,
            flush=self.worker.flush,
            resource=self.resource,
            sampler=sampler,
            meter_provider=self.meter_provider,
            shutdown_on_exit=False,
            **provider,
        )
        self.logger_provider = LoggerProvider(self.resource, self.worker)
        self.worker.tell_lines(self.logger_provider.tell_line)
        self._health = Health(self)
        self._health.register(self.meter_provider)

    def install(self) -> None:
        """Make the providers the global ones and take the hand-over."""
        trace.set_tracer_provider(self.tracer_provider)
        metrics.set_meter_provider(self.meter_provider)
        set_logger_provider(self.logger_provider)
        HANDOVER.sink = self.logger_provider.sink or self.worker

    def _settle(self) -> None:
        self.worker.settle(monotonic() + _SETTLE_SECONDS)

    def _begin(self) -> None:
        """The first record of this process: from here on it is an instance of the service."""
        self.begun = True
        found = process_resource() if self._forked else Resource.get_empty()
        if self._slot is not None:
            found = found.merge(Resource({SERVICE_INSTANCE_ID: self._slot.acquire()}))
        for exporter in self.worker.outputs.exporters:
            exporter.begin()
        if self.worker.outputs.reader is not None:
            self.worker.outputs.reader.begin()
        self.resource = self.resource.merge(found)
        self.tracer_provider._update_resource(self.resource)  # noqa: SLF001 - the SDK's own way after a fork
        self.meter_provider._update_resource(self.resource)  # noqa: SLF001
        self.logger_provider._update_resource(self.resource)  # noqa: SLF001

    def _flush_others(self, deadline: float) -> None:
        """Flush the span and log processors, and the metric readers, that are not ours."""
        calls: dict[str, Callable[[], object]] = {
            f"flush.{type(reader).__name__}.{number}": partial(reader.force_flush, _left(deadline))
            for number, reader in enumerate(self._other_readers())
        }
        if self.tracer_provider.notified:
            calls["flush.span_processors"] = partial(self.tracer_provider.flush_processors, _left(deadline))
        calls["flush.log_processors"] = partial(self.logger_provider.flush_processors, _left(deadline))
        within(deadline, calls)

    def _other_readers(self) -> list[MetricReader]:
        own = self.worker.outputs.reader
        return [reader for reader in self.meter_provider.readers if reader is not own]

    def supervise(self) -> None:
        """This process only watches others: lines are printed, nothing is exported."""
        self.supervised = True
        self._settle()
        self.worker.console_only = True
        for exporter in self.worker.outputs.exporters:
            exporter.discard()
        if self._slot is not None:
            self._slot.release()

    def after_fork(self) -> None:
        """In a forked child: fresh buffers and locks, zero counts, an identity of its own."""
        self._forked = True
        self.supervised = False
        self.begun = False
        self.worker.console_only = False
        failures.clear()
        forget_errors()
        self.aggregator.forget()
        self.decider.reset()
        for exporter in self.worker.outputs.exporters:
            exporter.reset()
        if self.worker.outputs.reader is not None:
            self.worker.outputs.reader.reset()
        self.worker.reset()
        self._health.told.clear()

    def shutdown(self, timeout_millis: int) -> None:
        """Flush all signals within one deadline, then end; later log lines are still printed."""
        deadline = monotonic() + timeout_millis / 1000
        self.worker.shutdown(timeout_millis)
        left = max(_LEAST_MILLIS, _left(deadline))
        calls: dict[str, Callable[[], object]] = {
            f"shutdown.{type(reader).__name__}.{number}": partial(reader.shutdown, timeout_millis=left)
            for number, reader in enumerate(self._other_readers())
        }
        calls["shutdown.span_processors"] = self.tracer_provider.shutdown
        calls["shutdown.log_processors"] = self.logger_provider.shutdown
        within(monotonic() + left / 1000, calls)
        self._tell_losses()
        if HANDOVER.sink in (self.worker, self.logger_provider.sink) and self.worker.outputs.console is None:
            HANDOVER.sink = Discard()

    def _tell_losses(self) -> None:
        """One line about what was dropped at the end, after the last metrics; nobody else would say it."""
        found = self._health.untold()
        self._health.told = self.dropped()
        if found and not self.supervised:
            items = ", ".join(f"{count} {signal} ({cause})" for (signal, cause), count in sorted(found.items()))
            _logger.warning("telemetry is lost at the end, and no metric says so: %s", items)

    def dropped(self) -> Counter[tuple[str, str]]:
        """Items lost, by signal and cause."""
        found = Counter(self.worker.dropped)
        for cause, count in self.decider.dropped.items():
            found["traces", cause] += count
        for signal, exporter in self._senders():
            for cause, count in exporter.dropped.items():
                found[signal, cause] += count
        return found

    def exports(self) -> Counter[tuple[str, str]]:
        """Export requests, by signal and result."""
        found: Counter[tuple[str, str]] = Counter()
        for signal, exporter in self._senders():
            for result, count in exporter.exports.items():
                found[signal, result] += count
        return found

    def delivered(self) -> dict[str, Delivery]:
        """How the delivery of each signal stands; of several exporters the sum of items and bytes, the worst else."""
        found = dict.fromkeys(SIGNALS, Delivery())
        for signal, exporter in self._senders():
            known, more = found[signal], exporter.delivery
            found[signal] = Delivery(
                known.kept + more.kept,
                known.items + more.items,
                max(known.queue_use, more.queue_use),
                known.spool_bytes + more.spool_bytes,
                max(known.spool_age, more.spool_age),
            )
        return found

    def _senders(self) -> list[tuple[str, Any]]:
        outputs = self.worker.outputs
        found: list[tuple[str, Exporter | Any]] = [("traces", exporter) for exporter in outputs.spans]
        found += [("logs", exporter) for exporter in outputs.logs]
        if outputs.reader is not None:
            found.append(("metrics", outputs.reader.sender))
        return found


def _left(deadline: float) -> int:
    """Milliseconds until `monotonic()` reaches the deadline."""
    return max(1, int((deadline - monotonic()) * 1000))
