"""The doctor: what is installed, set and instrumented here, whether it would arrive, and what is wrong.

It runs in the environment of an app, beside it: it says what an app that is started like this would have.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from otel_distro import assembly, config
from otel_distro.doctor import exporters, instrumentations, others, settings, spool, versions
from otel_distro.doctor.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_distro.config import Settings
    from otel_distro.doctor.exporters import Probe
    from otel_distro.doctor.instrumentations import Instrumentation
    from otel_distro.doctor.others import Other
    from otel_distro.doctor.settings import Effective
    from otel_distro.doctor.spool import SpoolState
    from otel_distro.doctor.versions import Versions


class Report(NamedTuple):
    """What was found, and what is wrong with it."""

    versions: Versions
    settings: tuple[Effective, ...]
    instrumentations: tuple[Instrumentation, ...]
    exporters: tuple[Probe, ...]
    spool: SpoolState
    others: tuple[Other, ...]
    problems: tuple[Problem, ...]


def examine(timeout: float) -> Report:
    """Look at everything; each endpoint gets so many seconds to answer."""
    in_force = settings.in_force(config.current())  # before the distro sets defaults for others
    with _heard() as lines:
        found = Report(
            versions.versions(),
            in_force,
            instrumentations.instrumentations(),
            _probes(config.current(), timeout),
            spool.spool_state(config.current()),
            others.others(),
            (),
        )
        problems = (*_switched_off(config.current()), *_problems(found))
        _make_what_is_named(config.current())
    told = {problem.text for problem in problems}
    heard = (Problem("log", line) for line in dict.fromkeys(lines) if line not in told)
    return found._replace(problems=(*problems, *heard))


def _probes(settings: Settings, timeout: float) -> tuple[Probe, ...]:
    return () if settings.disabled or settings.config_file else exporters.probes(settings, timeout)


def _problems(found: Report) -> Iterator[Problem]:
    yield from versions.problems()
    yield from settings.problems(config.current())
    yield from instrumentations.problems(found.instrumentations)
    yield from exporters.problems(found.exporters)
    yield from spool.problems(found.spool)
    yield from others.problems(found.others)


def _switched_off(settings: Settings) -> Iterator[Problem]:
    if settings.disabled:
        yield Problem("settings", "OTEL_SDK_DISABLED is set: there is no telemetry")
    elif settings.config_file:
        text = f"OTEL_CONFIG_FILE={settings.config_file}: upstream builds the SDK from it, our pipeline stands back"
        yield Problem("settings", text)


def _make_what_is_named(settings: Settings) -> None:
    """Sampler, generator of ids and propagators, as the pipeline would: it complains of what can't be had."""
    for line in assembly.missing(settings):
        logging.getLogger("otel_distro").warning("%s", line)
    assembly.sampler_by_name()
    assembly.id_generator_by_name()
    assembly.set_propagators(settings)


@contextmanager
def _heard() -> Iterator[list[str]]:
    """What is logged as a warning meanwhile, and is not printed."""
    lines: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    loggers = [logging.getLogger(name) for name in ("otel_distro", "opentelemetry")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield lines
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
