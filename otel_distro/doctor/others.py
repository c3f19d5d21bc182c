"""Others that observe the same app: distributions beside ours, and SDKs of vendors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from opentelemetry.instrumentation.auto_instrumentation import _load as loader
from opentelemetry.util._importlib_metadata import entry_points

from otel_distro import config
from otel_distro.distro import Distro
from otel_distro.doctor.problem import Problem
from otel_distro.doctor.versions import OURS, installed_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TWICE = "requests, queries and calls would be traced twice"
_SDKS = {
    "ddtrace": f"under ddtrace-run, or after `import ddtrace.auto`, {_TWICE}",
    "elastic-apm": f"with its middleware, {_TWICE}",
    "instana": f"with AUTOWRAPT_BOOTSTRAP=instana, {_TWICE}",
    "logfire": f"`logfire.configure()` wants providers of its own, and after its `instrument_*` calls {_TWICE}",
    "newrelic": f"under newrelic-admin, {_TWICE}",
    "openlit": "`openlit.init()` wants providers of its own",
    "scout-apm": f"with its middleware, {_TWICE}",
    "sentry-sdk": f"with traces_sample_rate set, {_TWICE}; errors alone are no conflict",
    "traceloop-sdk": "`Traceloop.init()` wants providers of its own",
}
"""By distribution: when it is in the way of ours. That it is installed is no conflict yet."""
_GROUPS = {"opentelemetry_distro": "OTEL_PYTHON_DISTRO", "opentelemetry_configurator": "OTEL_PYTHON_CONFIGURATOR"}


class Other(NamedTuple):
    """Somebody else's, and when it would be in the way."""

    package: str
    version: str
    note: str


def others() -> tuple[Other, ...]:
    """What is installed of them."""
    found = [Other(name, version, note) for name, note in _SDKS.items() if (version := installed_version(name))]
    for group, variable in _GROUPS.items():
        for entry_point in entry_points(group=group):
            package = entry_point.dist.name if entry_point.dist else entry_point.value
            if package != OURS:
                note = f"it offers {group} {entry_point.name}: {variable}={_ours(group)} takes ours"
                found.append(Other(package, installed_version(package), note))
    return tuple(found)


def _ours(group: str) -> str:
    return next((one.name for one in entry_points(group=group) if one.dist and one.dist.name == OURS), "otel_distro")


def problems(found: Iterable[Other]) -> Iterator[Problem]:
    """Where another distribution is loaded in place of ours, or might be."""
    loaded = loader._load_distro()  # noqa: SLF001 - what `opentelemetry-instrument` calls
    if not isinstance(loaded, Distro):
        kind = type(loaded)
        text = f"{kind.__module__}.{kind.__qualname__} is loaded, not ours: set OTEL_PYTHON_DISTRO=otel_distro"
        yield Problem("others", text)
    elif any("opentelemetry_distro" in one.note for one in found) and not config.environment("OTEL_PYTHON_DISTRO"):
        yield Problem("others", "several distributions are installed: set OTEL_PYTHON_DISTRO=otel_distro")
