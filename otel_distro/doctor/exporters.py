"""Exporters: where each signal goes, and whether what is sent there would be taken; asked by an empty request."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from otel_distro import assembly
from otel_distro.config import SIGNALS
from otel_distro.doctor.problem import Problem
from otel_distro.exporter.deadline import within
from otel_distro.exporter.transport import Result, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from otel_distro.config import Settings

_EMPTY = b""
"""An export request without anything in it, in protobuf."""
_GRACE = 0.5
_OURS = "otel-distro"


class Probe(NamedTuple):
    """One exporter of a signal. `answers`: None when it was not asked; `detail`: what it said, or why not."""

    signal: str
    exporter: str
    package: str
    endpoint: str = ""
    protocol: str = ""
    answers: bool | None = None
    detail: str = ""
    milliseconds: float = 0.0


def probes(settings: Settings, timeout: float) -> tuple[Probe, ...]:
    """Ask all endpoints side by side, each for at most so many seconds."""
    wanted = {"traces": settings.traces_exporter, "metrics": settings.metrics_exporter, "logs": settings.logs_exporter}
    found: dict[tuple[str, str], Probe] = {}

    def ask(signal: str, name: str) -> None:
        found[signal, name] = _probe(settings, signal, name, timeout)

    pairs = [(signal, name) for signal in SIGNALS for name in wanted[signal] if name != "none"]
    calls: dict[str, Callable[[], object]] = {
        f"doctor.{signal}.{name}": partial(ask, signal, name) for signal, name in pairs
    }
    within(monotonic() + timeout + _GRACE, calls)
    return tuple(found.get(pair) or _silent(settings, *pair) for pair in pairs)


def _silent(settings: Settings, signal: str, name: str) -> Probe:
    where = settings.otlp[signal]
    return Probe(signal, name, _OURS, shown(where.endpoint), where.protocol, answers=False, detail="timed out")


def _probe(settings: Settings, signal: str, name: str, timeout: float) -> Probe:
    if not assembly.is_ours(settings, signal, name):
        there = assembly.foreign(settings, signal, name)
        return Probe(signal, name, there.__module__ if there else "", detail="" if there else "it is not installed")
    where = settings.otlp[signal]
    probe = Probe(signal, name, _OURS, shown(where.endpoint), where.protocol)
    began = monotonic()
    try:
        transport = assembly.transport_of(where, signal, name)
    except OSError as error:
        return probe._replace(answers=False, detail=f"its certificates can't be used: {error}")
    answer = transport.send(_EMPTY, timeout)
    transport.close()
    taken = answer.result is Result.SUCCESS
    detail = answer.reason or ("it took an empty request" if taken else "")
    return probe._replace(answers=taken, detail=detail, milliseconds=round((monotonic() - began) * 1000, 1))


def problems(found: Iterable[Probe]) -> Iterator[Problem]:
    """What would not arrive."""
    for probe in found:
        if probe.answers is False:
            yield Problem("exporters", f"{probe.signal} would not be delivered: {probe.detail}")
        elif not probe.package:
            yield Problem("exporters", f"{probe.signal}: there is no exporter {probe.exporter}")
