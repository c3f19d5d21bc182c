"""The one meter provider: the SDK's instruments, and the derived metrics injected into every reader's collect."""

from __future__ import annotations

import dataclasses
from collections import Counter
from threading import Lock
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics._internal.measurement_consumer import SynchronousMeasurementConsumer
from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.metrics.view import DropAggregation, View
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_distro._version import __version__
from otel_distro.guard import guard
from otel_distro.pipeline.points import ReaderState, metric_of
from otel_distro.pipeline.series import tell_overflow
from otel_distro.pipeline.viewed import arranged
from otel_distro.semconv import METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.metrics.export import Metric, MetricReader

    from otel_distro.pipeline.aggregate import Aggregator

SCOPE = InstrumentationScope("otel_distro", __version__)
_OVERFLOW = {"otel.metric.overflow": True}
_OWN_SCOPES = "otel_distro"
_SETTLE_SECONDS = 2.0


class Waker(Protocol):
    """The pipeline's worker as the meter provider knows it."""

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


class _Known:
    """The series of one instrument, by the attributes that its views keep: what they leave out makes no series."""

    __slots__ = ("keys", "seen", "told")

    def __init__(self, instrument: Any, views: Sequence[View]) -> None:
        kept = [_kept_by(view) for view in views if view._match(instrument)]  # noqa: SLF001 - the SDK asks so, too
        self.keys: frozenset[str] | None = None
        """The attributes kept by any of them; None: all."""
        if kept and None not in kept:
            self.keys = frozenset().union(*(keys for keys in kept if keys is not None))
        self.seen: set[frozenset[Any]] = set()
        self.told = False


def _kept_by(view: View) -> frozenset[str] | None:
    if isinstance(view._aggregation, DropAggregation):  # noqa: SLF001
        return frozenset()
    keys = view._attribute_keys  # noqa: SLF001
    return None if keys is None else frozenset(keys)


class Consumer(SynchronousMeasurementConsumer):
    """The SDK's consumer with a cardinality limit on what comes in, and the derived metrics in what goes out."""

    def __init__(
        self,
        sdk_config: Any,
        metric_readers: Sequence[MetricReader],
        aggregator: Aggregator,
        worker: Waker,
    ) -> None:
        super().__init__(sdk_config=sdk_config, metric_readers=metric_readers)
        self._aggregator = aggregator
        self._worker = worker
        self._awake = False
        self._states: dict[MetricReader, ReaderState] = {}
        self._known: dict[Any, _Known] = {}
        self._limit = aggregator.limit

    @property
    def readers(self) -> tuple[MetricReader, ...]:
        """The readers, in the order of their registration."""
        return tuple(self._reader_storages)

    def reset(self) -> None:
        """Begin at zero with the same instruments, as in a forked child."""
        instruments = self._async_instruments
        super().__init__(sdk_config=self._sdk_config, metric_readers=self._reader_storages)
        self._async_instruments = instruments
        self._awake = False
        self._states = {}
        self._known = {}

    def consume_measurement(self, measurement: Any) -> None:
        """Count a measurement; beyond the limit of series under the overflow attribute."""
        if not self._awake:
            self._wake()
        with guard("metrics.measure"):
            super().consume_measurement(self._limited(measurement))

    def register_asynchronous_instrument(self, instrument: Any) -> None:
        """Observe an instrument; one of the app's own is a reason to export, ours (made at import) are none."""
        super().register_asynchronous_instrument(instrument)
        if not instrument.instrumentation_scope.name.startswith(_OWN_SCOPES):
            self._wake()

    def _wake(self) -> None:
        self._awake = True
        self._worker.start()

    def _limited(self, measurement: Any) -> Any:
        attributes = measurement.attributes
        if not attributes:
            return measurement
        instrument = measurement.instrument
        known = self._known.get(instrument)
        if known is None:
            known = self._known.setdefault(instrument, _Known(instrument, self._sdk_config.views))
        if known.keys is not None:
            attributes = {key: value for key, value in attributes.items() if key in known.keys}
        try:
            key = frozenset(attributes.items())
        except TypeError:
            key = frozenset(_hashable(attributes).items())
        seen = known.seen
        if key in seen:
            return measurement
        if len(seen) < self._limit:
            seen.add(key)
            return measurement
        if not known.told:
            known.told = True
            counts = Counter(name for name, _ in set().union(*tuple(seen)))
            tell_overflow(instrument.name, self._limit, counts)
            seen.add(frozenset(_OVERFLOW.items()))
        return dataclasses.replace(measurement, attributes=_OVERFLOW)

    def collect(self, metric_reader: MetricReader, timeout_millis: float = 10_000) -> MetricsData | None:
        """What the SDK collected and what was derived, as one."""
        self._worker.settle(monotonic() + _SETTLE_SECONDS)
        data = super().collect(metric_reader, timeout_millis)
        derived = self._derived(metric_reader)
        if not derived:
            return data
        if data is None or not data.resource_metrics:
            resource = self._sdk_config.resource
            data = MetricsData([ResourceMetrics(resource, [], resource.schema_url)])
        scopes: Any = data.resource_metrics[0].scope_metrics  # a list, whatever its annotation says
        rest = [metric for metric in derived if not _merged(metric, scopes)]
        scopes.append(ScopeMetrics(SCOPE, rest, ""))
        return data

    def _derived(self, reader: MetricReader) -> list[Metric]:
        state = self._states.get(reader)
        if state is None:
            state = self._states[reader] = ReaderState(reader)
        now = time_ns()
        with self._aggregator.lock:
            found = [metric_of(stream, state, now) for stream in self._aggregator.streams]
            if reader is self.readers[0]:
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


def _hashable(attributes: Any) -> dict[str, Any]:
    return {key: value if getattr(value, "__hash__", None) else repr(value) for key, value in attributes.items()}
