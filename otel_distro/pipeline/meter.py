"""The one meter provider: the SDK's instruments, and the derived metrics injected into every reader's collect."""

from __future__ import annotations

from threading import Lock
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics._internal.measurement_consumer import SynchronousMeasurementConsumer
from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_distro._version import __version__
from otel_distro.guard import FAULT, report
from otel_distro.pipeline.checkpoint import so_far
from otel_distro.pipeline.points import ReaderState, metric_of
from otel_distro.pipeline.storage import Storage
from otel_distro.pipeline.viewed import arranged
from otel_distro.semconv import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from opentelemetry.sdk.metrics.export import Metric, MetricReader

    from otel_distro.pipeline.aggregate import Aggregator
    from otel_distro.pipeline.pace import Pace

SCOPE = InstrumentationScope("otel_distro", __version__)
_OWN_SCOPES = "otel_distro"
_SETTLE_SECONDS = 2.0


class Waker(Protocol):
    """The pipeline's worker as the meter provider knows it."""

    pace: Pace
    """Of work in the background."""

    def start(self) -> None:
        """There is something to export from now on."""

    def settle(self, deadline: float) -> bool:
        """Aggregate what waits."""

    def flush(self, timeout_millis: int) -> bool:
        """Export all."""


def catalogue_views() -> list[View]:
    """Views that hold observable instruments to their declared attributes: a cardinality firewall at run time."""
    return [
        View(instrument_name=metric.name, attribute_keys={attribute.key for attribute in metric.attributes})
        for metric in METRICS
        if metric.observable
    ]


class MeterProvider(sdk.MeterProvider):
    """See `opentelemetry.sdk.metrics.MeterProvider`; before each collect the worker aggregates what waits."""

    def __init__(
        self,
        aggregator: Aggregator,
        worker: Waker,
        metric_readers: Sequence[MetricReader] = (),
        views: Sequence[View] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(metric_readers, views=[*views, *catalogue_views()], shutdown_on_exit=False, **kwargs)
        consumer = Consumer(self._sdk_config, metric_readers, aggregator, worker)
        self._measurement_consumer: Consumer = consumer
        self._meters.clear()  # readers made some for metrics of their own, over the consumer that the SDK had made
        for reader in metric_readers:
            reader._set_collect_callback(consumer.collect)  # type: ignore[arg-type]  # noqa: SLF001 - as the SDK does
            reader._set_meter_provider(self)  # noqa: SLF001 - as the SDK does
        self._flush = worker.flush
        self._arrange(aggregator, views)

    @property
    def readers(self) -> tuple[MetricReader, ...]:
        """The metric readers there are now, those that the app added among them."""
        return self._measurement_consumer.readers

    def so_far(self, reader: MetricReader) -> MetricsData | None:
        """What was counted so far, for the reader's checkpoint."""
        return self._measurement_consumer.so_far(reader)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Flush the pipeline, which collects for every reader."""
        return self._flush(int(timeout_millis))

    def _handle_fork(self) -> None:
        """A child counts from zero; its resource comes from the pipeline (the SDK would copy the parent's values)."""
        self._lock = Lock()
        self._meter_lock = Lock()
        sdk.MeterProvider._all_metric_readers_lock = Lock()  # noqa: SLF001 - as the SDK does
        for meter in self._meters.values():  # which the SDK forgets
            meter._instrument_registration_lock = Lock()  # noqa: SLF001
        self._measurement_consumer.reset()

    def _arrange(self, aggregator: Aggregator, views: Sequence[View]) -> None:
        """Give the derived metrics the views that match them, as the SDK gives its instruments theirs."""
        if views:
            meter = self.get_meter(SCOPE.name, SCOPE.version)
            aggregator.arrange(lambda stream: arranged(stream, views, meter))


class _Paced(list[Any]):
    """Instruments to be observed, with a chance to rest before each."""

    def __init__(self, pace: Callable[[], object], instruments: Iterable[Any] = ()) -> None:
        super().__init__(instruments)
        self._pace = pace

    def __iter__(self) -> Iterator[Any]:
        """Each in turn."""
        for instrument in super().__iter__():
            self._pace()
            yield instrument


class Consumer(SynchronousMeasurementConsumer):
    """The SDK's consumer over our storages, with the derived metrics in what goes out."""

    def __init__(
        self,
        sdk_config: Any,
        metric_readers: Sequence[MetricReader],
        aggregator: Aggregator,
        worker: Waker,
    ) -> None:
        self._aggregator = aggregator
        self._worker = worker
        self._pace = worker.pace
        self._begin(sdk_config, metric_readers, ())

    def _begin(self, sdk_config: Any, readers: Iterable[MetricReader], instruments: Iterable[Any]) -> None:
        super().__init__(sdk_config=sdk_config, metric_readers=())
        self._reader_storages = {reader: self._storage(reader) for reader in readers}
        self._async_instruments = _Paced(self._pace, instruments)
        self._awake = False
        self._states: dict[MetricReader, ReaderState] = {}

    def _storage(self, reader: MetricReader) -> Storage:
        return Storage(self._sdk_config, reader, self._aggregator.limit, self._pace)

    def add_metric_reader(self, metric_reader: MetricReader) -> None:
        """One more reader, from now on."""
        with self._lock:
            self._reader_storages = {**self._reader_storages, metric_reader: self._storage(metric_reader)}

    @property
    def readers(self) -> tuple[MetricReader, ...]:
        """The readers, in the order of their registration."""
        return tuple(self._reader_storages)

    def reset(self) -> None:
        """Begin at zero with the same instruments, as in a forked child."""
        self._begin(self._sdk_config, self._reader_storages, self._async_instruments)

    def consume_measurement(self, measurement: Any) -> None:
        """Count a measurement."""
        if not self._awake:
            self._wake()
        try:
            super().consume_measurement(measurement)
        except FAULT as fault:
            report("metrics.measure", fault)

    def register_asynchronous_instrument(self, instrument: Any) -> None:
        """Observe an instrument; one of the app's own is a reason to export, ours (made at import) are none."""
        super().register_asynchronous_instrument(instrument)
        if not instrument.instrumentation_scope.name.startswith(_OWN_SCOPES):
            self._wake()

    def _wake(self) -> None:
        self._awake = True
        self._worker.start()

    def collect(self, metric_reader: MetricReader, timeout_millis: float = 10_000) -> MetricsData | None:
        """What the SDK collected and what was derived, as one."""
        self._worker.settle(monotonic() + _SETTLE_SECONDS)
        data = super().collect(metric_reader, timeout_millis)
        return self._together(data, self._derived(metric_reader, last=metric_reader is self.readers[0]))

    def so_far(self, reader: MetricReader) -> MetricsData | None:
        """What was counted, as a cumulative reader would get it now; no callback is called, nothing is forgotten."""
        return self._together(so_far(self._reader_storages[reader]), self._derived(reader, last=False))

    def _together(self, data: MetricsData | None, derived: Sequence[Metric]) -> MetricsData | None:
        if not derived:
            return data
        if data is None or not data.resource_metrics:
            resource = self._sdk_config.resource
            data = MetricsData([ResourceMetrics(resource, [], resource.schema_url)])
        scopes: Any = data.resource_metrics[0].scope_metrics  # a list, whatever its annotation says
        rest = [metric for metric in derived if not _merged(metric, scopes)]
        scopes.append(ScopeMetrics(SCOPE, rest, ""))
        return data

    def _derived(self, reader: MetricReader, *, last: bool) -> list[Metric]:
        """What was derived; after the last of those who want exemplars these are forgotten."""
        state = self._states.get(reader)
        if state is None:
            state = self._states[reader] = ReaderState(reader)
        now = time_ns()
        with self._aggregator.lock:
            found = [metric_of(stream, state, now, self._pace) for stream in self._aggregator.streams]
            if last:
                for stream in self._aggregator.streams:
                    for series in stream.series.values():
                        series.exemplars = {}
        return [metric for metric in found if metric is not None]


def _merged(metric: Metric, scopes: Sequence[ScopeMetrics]) -> bool:
    """Put the points into a metric of the same name and shape that somebody else records: one stream."""
    for scope in scopes:
        for other in scope.metrics:
            if other.name == metric.name and other.unit == metric.unit and type(other.data) is type(metric.data):
                points: Any = other.data.data_points  # a list, too
                points.extend(metric.data.data_points)
                return True
    return False
