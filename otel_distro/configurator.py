"""The configurator that `opentelemetry-instrument` calls: settings to pipeline, pipeline to globals."""

from __future__ import annotations

import logging
from typing import Any

from opentelemetry.sdk._configuration import _BaseConfigurator, _OTelSDKConfigurator

from otel_distro import config
from otel_distro.guard import rendered

_logger = logging.getLogger("otel_distro")


class Configurator(_BaseConfigurator):
    """Entry point `otel_distro` of `opentelemetry_configurator`."""

    def _configure(self, **kwargs: Any) -> None:
        settings = config.current()
        if settings.disabled:
            return
        if settings.config_file:
            _from_file(settings.config_file)
            return
        from otel_distro.assembly import start

        version = kwargs.get("auto_instrumentation_version") or ""
        start(settings, telemetry_auto_version=version)


def _from_file(path: str) -> None:
    """Let upstream build the SDK; what is wrong with the file, or missing for it, is one line."""
    upstream: Any = _OTelSDKConfigurator

    def build() -> str:
        upstream()._configure()  # noqa: SLF001 - it has no public way
        return ""

    problem = rendered(build, str)
    if problem:
        _logger.error("OTEL_CONFIG_FILE=%s can't be used, there is no telemetry: %s", path, " ".join(problem.split()))
    else:
        _logger.info("OTEL_CONFIG_FILE is set: the SDK was built from it by upstream's configurator")
