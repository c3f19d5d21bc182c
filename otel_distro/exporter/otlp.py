"""OTLP exporters: records encoded on the pipeline thread, sent by a sender."""

from __future__ import annotations

from time import time, time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import (
    Counter as CounterInstrument,
)
from opentelemetry.sdk.metrics import (
    Histogram,
    ObservableCounter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricReader
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_distro.exporter import batch
from otel_distro.exporter.backlog import Batch
from otel_distro.exporter.frame import Frame
from otel_distro.exporter.logs import encode_log
from otel_distro.exporter.metrics import ZeroPoints, at_once, encode_metrics
from otel_distro.exporter.spans import encode_span
from otel_distro.exporter.wire import field, request, text
from otel_distro.exporter.wire import resource as encode_resource
from otel_distro.exporter.wire import scope as encode_scope
from otel_distro.guard import guard
from otel_distro.native import extension

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator, Sequence

    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.resources import Resource

    from otel_distro.exporter import Delivery
    from otel_distro.exporter.batch import Add
    from otel_distro.exporter.sender import Sender

_MAX_BATCH_BYTES = 2 * 1024 * 1024
"""Of one request, before compression: receivers refuse what is too large (gRPC's usual limit is 4 MiB)."""


class OtlpExporter:
    """Spans or log records by OTLP; see `otel_distro.exporter.Exporter`."""

    def __init__(self, sender: Sender, resource: Callable[[], Resource]) -> None:
        self.sender = sender
        self._resource = resource
        self._encoded: tuple[Resource | None, bytes] = (None, b"")
        self._clear()
        traces = sender.signal == "traces"
        self._where = f"encode.{sender.signal}"
        encoders = extension() or batch
        self._encode: Callable[[Any], bytes] = encode_span if traces else encode_log
        self._add: Add = encoders.add_spans if traces else encoders.add_logs

    def begin(self) -> None:
        """Send what other processes left behind."""
        self.sender.begin()

    def add(self, items: Sequence[Any]) -> None:
        """Encode into the open batch; an item that fails is dropped and counted."""
        left = iter(items)
        self._count += len(items)
        while not self._added(left):
            self._count -= 1
            self.sender.dropped["encode"] += 1
        if sum(map(len, self._open.values())) > _MAX_BATCH_BYTES:
            self.seal()

    def _added(self, items: Iterator[Any]) -> bool:
        """Whether all went well; else the one that failed was taken from the iterator."""
        with guard(self._where):
            self._add(self._open, items, self._encode)
            return True
        return False

    def seal(self) -> None:
        """Queue the open batch as one request."""
        if not self._count:
            return
        resource = self._resource()
        if self._encoded[0] is not resource:
            self._encoded = (resource, encode_resource(resource))
        scopes = [_scope_of(key, items) for key, items in self._open.items()]
        payload, count = request(self._encoded[1], scopes, resource.schema_url), self._count
        self._clear()
        self.sender.put(Batch(payload, count, len(payload)))

    def reset(self) -> None:
        """Begin anew in a forked child."""
        self._clear()
        self.sender.reset()

    def discard(self) -> None:
        """Forget what was taken and is not on its way yet."""
        self._clear()
        self.sender.discard()

    def _clear(self) -> None:
        self._open: dict[Any, bytearray] = {}
        self._count = 0

    def flush(self, deadline: float) -> bool:
        """Send what is queued until the deadline."""
        return self.sender.flush(deadline)

    def shutdown(self, deadline: float) -> None:
        """Flush, then drop and count the rest."""
        self.sender.shutdown(deadline)

    @property
    def waiting_bytes(self) -> int:
        """Bytes queued."""
        return self.sender.waiting_bytes

    @property
    def dropped(self) -> Counter[str]:
        """Items lost by cause."""
        return self.sender.dropped

    @property
    def exports(self) -> Counter[str]:
        """Export requests by result."""
        return self.sender.exports

    @property
    def delivery(self) -> Delivery:
        """How the delivery stands."""
        return self.sender.delivery


def _scope_of(key: Any, items: bytearray) -> tuple[bytes, bytearray, bytes]:
    scope = InstrumentationScope(key) if isinstance(key, str) else key.scope
    schema_url = scope.schema_url
    tail = field(b"\x1a", text(schema_url)) if schema_url else b""
    return encode_scope(scope), items, tail


_TEMPORALITY: dict[str, dict[type, AggregationTemporality]] = {
    "cumulative": {},
    "delta": dict.fromkeys((CounterInstrument, ObservableCounter, Histogram), AggregationTemporality.DELTA),
    "lowmemory": dict.fromkeys((CounterInstrument, Histogram), AggregationTemporality.DELTA),
}


def _nothing() -> None:
    """Nothing is counted."""


class OtlpReader(MetricReader):
    """A push reader without a thread of its own: the pipeline thread calls `collect` when it is time."""

    def __init__(self, sender: Sender, temporality: str) -> None:
        super().__init__(preferred_temporality=_TEMPORALITY[temporality])
        self.sender = sender
        self.pace: Callable[[], object] = at_once
        """Called before each point is encoded."""
        self.so_far: Callable[[], MetricsData | None] = _nothing
        """What was counted, without consequences for what is collected next."""
        self._cumulative = not _TEMPORALITY[temporality]
        self._zeros = ZeroPoints()

    def begin(self) -> None:
        """This process became an instance of the service."""
        self._zeros.begin(time_ns())
        self.sender.begin()

    def reset(self) -> None:
        """Begin anew in a forked child."""
        self.sender.reset()
        self._zeros = ZeroPoints()

    def checkpoint(self) -> None:
        """Put on disk what was counted so far: sent by another process, should this one be killed.

        Only cumulative values: what was exported meanwhile, too, is the same again, and summed by nobody.
        """
        spool = self.sender.spool
        if spool is None or not spool.limits.max_bytes or not self._cumulative:
            return
        data = self.so_far()
        if data is not None:
            payload, points = encode_metrics(data, self._zeros.copy(), self.pace)
            self.sender.keep(Frame(payload, points, time()))

    def _receive_metrics(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,  # noqa: ARG002 - the SDK's signature
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        payload, points = encode_metrics(metrics_data, self._zeros, self.pace)
        if points:
            self.sender.put(Batch(payload, points, len(payload)))

    def force_flush(self, timeout_millis: float = 10_000) -> bool:  # noqa: ARG002 - the SDK's signature
        """The pipeline flushes its reader itself."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """The pipeline collects a last time and shuts the sender down."""
