"""The pipeline's own health as metrics of the catalogue, read by callbacks at each collect."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, Observation

from otel_distro import guard
from otel_distro._version import __version__
from otel_distro.semconv import Instrument, own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.sdk.metrics import MeterProvider

    from otel_distro.pipeline import Pipeline
    from otel_distro.semconv import Metric

_SIGNAL, _CAUSE, _RESULT = own.SIGNAL.key, own.CAUSE.key, own.RESULT.key

# A healthy process says zero, not nothing: alerts and panels must tell "none lost" from "not reported".
_NO_DROPS = dict.fromkeys(
    [
        *(
            (signal, cause)
            for signal in own.SIGNAL.values
            for cause in (
                "shed",
                "buffer_full",
                "queue_full",
                "refused",
                "rejected",
                "too_large",
                "shutdown",
                "encode",
                "spool_full",
                "too_old",
                "unreadable",
            )
        ),
        *(("traces", cause) for cause in ("undecided_budget", "keep_limit", "sampled")),
    ],
    0,
)
_NO_EXPORTS = dict.fromkeys(((signal, result) for signal in own.SIGNAL.values for result in own.RESULT.values), 0)


class Health:
    """What happened to the records of one pipeline, as observations."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.told: Counter[tuple[str, str]] = Counter()
        """What of the drops, by signal and cause, the latest metrics say."""

    def register(self, provider: MeterProvider) -> None:
        """Create the observable instruments."""
        meter = provider.get_meter(own.SCOPE, __version__)
        for metric, observe in self._observers().items():
            gauge = metric.instrument is Instrument.GAUGE
            make = meter.create_observable_gauge if gauge else meter.create_observable_counter
            make(metric.name, [_callback(observe)], metric.unit, metric.brief)

    def _observers(self) -> dict[Metric, Callable[[], Iterable[Observation]]]:
        return {
            own.RECORDS: self._records,
            own.KEPT: self._delivery("kept"),
            own.EXPORTED: self._delivery("items"),
            own.DROPPED: self._dropped,
            own.EXPORTS: self._exports,
            own.GUARDED: _guarded,
            own.OVERFLOW: self._overflow,
            own.BUFFERED: self._buffered,
            own.BUFFER_USE: self._use,
            own.SPOOL_SIZE: self._delivery("spool_bytes"),
            own.SPOOL_AGE: self._delivery("spool_age"),
            own.LAG: self._lag,
        }

    def _records(self) -> Iterable[Observation]:
        for signal, count in dict(self._pipeline.worker.taken).items():
            yield Observation(count, {_SIGNAL: signal})

    def _delivery(self, field: str) -> Callable[[], Iterable[Observation]]:
        """Observes one field of `Delivery`, by signal."""
        value = attrgetter(field)

        def observe() -> Iterable[Observation]:
            for signal, delivery in self._pipeline.delivered().items():
                yield Observation(value(delivery), {_SIGNAL: signal})

        return observe

    def _dropped(self) -> Iterable[Observation]:
        self.told = self._pipeline.dropped()
        for (signal, cause), count in {**_NO_DROPS, **self.told}.items():
            yield Observation(count, {_SIGNAL: signal, _CAUSE: cause})

    def untold(self) -> Counter[tuple[str, str]]:
        """Drops that no metrics tell, or only metrics that were dropped themselves; what is sampled is no loss."""
        dropped = self._pipeline.dropped()
        since = dropped - self.told
        found = dropped if any(signal == "metrics" for signal, _ in since) else since
        return Counter({(signal, cause): count for (signal, cause), count in found.items() if cause != "sampled"})

    def _exports(self) -> Iterable[Observation]:
        for (signal, result), count in {**_NO_EXPORTS, **self._pipeline.exports()}.items():
            yield Observation(count, {_SIGNAL: signal, _RESULT: result})

    def _overflow(self) -> Iterable[Observation]:
        yield Observation(sum(stream.overflowed for stream in self._pipeline.aggregator.streams))

    def _buffered(self) -> Iterable[Observation]:
        for signal, size in self._pipeline.worker.waiting.items():
            yield Observation(size, {_SIGNAL: signal})

    def _use(self) -> Iterable[Observation]:
        for signal, delivery in self._pipeline.delivered().items():
            undecided = self._pipeline.decider.use if signal == "traces" else 0.0
            fullest = max(self._pipeline.worker.fullness, undecided, delivery.queue_use)
            yield Observation(fullest, {_SIGNAL: signal})

    def _lag(self) -> Iterable[Observation]:
        yield Observation(self._pipeline.worker.lag.seconds)


def _guarded() -> Iterable[Observation]:
    yield Observation(0, {own.PLACE.key: "any"})
    for place, count in dict(guard.failures).items():
        yield Observation(count, {own.PLACE.key: place})


def _callback(
    observe: Callable[[], Iterable[Observation]],
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _: observe()
