"""The configurator that `opentelemetry-instrument` calls: settings to pipeline, pipeline to globals."""

from __future__ import annotations

import logging
from typing import Any

from otel_distro import config
from otel_distro.guard import rendered

_logger = logging.getLogger("otel_distro")


class Configurator:
    """Entry point `otel_distro` of `opentelemetry_configurator`; one's own may be a subclass that gives more.

    Without upstream's base class: that comes with all that upstream's own configurator imports.
    """

    def configure(self, **given: Any) -> None:
        """What upstream's loader calls, once; `given` may have what is in `otel_distro.assembly.Given`."""
        settings = config.current()
        if settings.disabled:
            return
        if settings.config_file:
            _from_file(settings.config_file)
            return
        from otel_distro.assembly import Given, start

        unknown = given.keys() - set(Given._fields)
        if unknown:
            _logger.warning("the configurator does not take %s", ", ".join(sorted(unknown)))
        start(settings, Given(**{name: value for name, value in given.items() if name not in unknown}))


def _from_file(path: str) -> None:
    """Let upstream build the SDK; what is wrong with the file, or missing for it, is one line."""
    from opentelemetry.sdk._configuration import _OTelSDKConfigurator

    upstream: Any = _OTelSDKConfigurator

    def build() -> str:
        upstream().configure()
        return ""

    problem = rendered(build, str)
    if problem:
        _logger.error("OTEL_CONFIG_FILE=%s can't be used, there is no telemetry: %s", path, " ".join(problem.split()))
    else:
        _logger.info("OTEL_CONFIG_FILE is set: the SDK was built from it by upstream's configurator")
