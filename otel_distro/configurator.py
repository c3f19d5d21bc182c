"""The configurator that `opentelemetry-instrument` calls: settings to pipeline, pipeline to globals."""

from __future__ import annotations

import logging
from typing import Any

from opentelemetry.sdk._configuration import _BaseConfigurator, _OTelSDKConfigurator

from otel_distro import config

_logger = logging.getLogger("otel_distro")


class Configurator(_BaseConfigurator):
    """Entry point `otel_distro` of `opentelemetry_configurator`."""

    def _configure(self, **kwargs: Any) -> None:
        settings = config.current()
        if settings.disabled:
            return
        if settings.config_file:
            _logger.info("OTEL_CONFIG_FILE is set: the SDK is built from it by upstream's configurator")
            upstream: Any = _OTelSDKConfigurator
            upstream()._configure(**kwargs)  # noqa: SLF001 - it has no public way
            return
        from otel_distro.assembly import start

        version = kwargs.get("auto_instrumentation_version") or ""
        start(settings, telemetry_auto_version=version)
