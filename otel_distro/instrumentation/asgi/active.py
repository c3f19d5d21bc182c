"""Requests and connections that are open now, counted when a reader asks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from opentelemetry import metrics
from opentelemetry.metrics import Observation

from otel_distro._version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.metrics import CallbackOptions

    from otel_distro.semconv import Metric


class Open(Protocol):
    """Something open, with the values of the metric's attributes."""

    @property
    def key(self) -> tuple[str, ...]:
        """The values of the metric's attributes, in their order."""


class Active:
    """The open ones of a kind. Adding and discarding cost the path one set operation each."""

    def __init__(self, metric: Metric, scope: str) -> None:
        self._metric = metric
        self._scope = scope
        self._open: set[Open] = set()
        self._seen: set[tuple[str, ...]] = set()
        self._pid = os.getpid()
        self._observed = False
        self.discard = self._open.discard

    def add(self, exchange: Open) -> None:
        """Count it from now on; its key is reported, with zero, for ever after."""
        self._open.add(exchange)
        self._seen.add(exchange.key)

    def observe(self) -> None:
        """Create the instrument, on the first call only: the API has no way to remove one."""
        if self._observed:
            return
        self._observed = True
        metrics.get_meter(self._scope, __version__).create_observable_up_down_counter(
            self._metric.name, [self._count], self._metric.unit, self._metric.brief
        )

    def _count(self, _: CallbackOptions) -> Iterable[Observation]:
        if self._pid != os.getpid():  # a forked child answers none of its parent's requests
            self._pid = os.getpid()
            self._open.clear()
            self._seen.clear()
        counts = dict.fromkeys(list(self._seen), 0)
        for exchange in list(self._open):
            counts[exchange.key] = counts.get(exchange.key, 0) + 1
        keys = [attribute.key for attribute in self._metric.attributes]
        return [Observation(count, dict(zip(keys, key, strict=True))) for key, count in counts.items()]
