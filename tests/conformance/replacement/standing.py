"""A pipeline as the configurator builds it, behind a meter provider that is made by the SDK's arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource

from otel_distro import config
from otel_distro.pipeline import Pipeline, lifecycle
from otel_distro.pipeline import meter as ours
from otel_distro.pipeline.logger import LoggerProvider
from otel_distro.pipeline.tracer import TracerProvider

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.metrics.view import View


class MeterProvider(ours.MeterProvider):
    """See `otel_distro.pipeline.meter.MeterProvider`; takes the SDK's arguments."""

    def __init__(
        self,
        metric_readers: Sequence[MetricReader] = (),
        resource: Resource | None = None,
        exemplar_filter: Any = None,
        shutdown_on_exit: bool = True,
        views: Sequence[View] = (),
        **private: Any,
    ) -> None:
        found = Resource.create({}) if resource is None else resource
        pipeline = self.pipeline = Pipeline(config.load({}), found, own_instance_id=False)
        super().__init__(
            pipeline.aggregator,
            pipeline.worker,
            metric_readers,
            views,
            resource=found,
            exemplar_filter=exemplar_filter,
            **private,
        )
        pipeline.meter_provider = self
        pipeline.tracer_provider = TracerProvider(
            take=pipeline.worker.take, flush=pipeline.worker.flush, resource=found, shutdown_on_exit=False
        )
        pipeline.logger_provider = LoggerProvider(found)
        lifecycle._pipelines.add(pipeline)  # a forked child begins anew
