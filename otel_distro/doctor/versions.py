"""Versions: the interpreter's, ours, and those of OpenTelemetry's packages."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, distributions, requires, version
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import Requirement

from otel_distro import native
from otel_distro._version import __version__
from otel_distro.doctor.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "otel-distro"
_OPENTELEMETRY = "opentelemetry-"


class Versions(NamedTuple):
    """What runs, and with what; `native`: whether the compiled encoders are in use."""

    python: str
    platform: str
    otel_distro: str
    native: bool
    packages: dict[str, str]


def versions() -> Versions:
    """Those of this environment."""
    found = {one.name: one.version for one in distributions() if one.name.startswith(_OPENTELEMETRY)}
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return Versions(python, platform.platform(), __version__, native.is_active(), dict(sorted(found.items())))


def problems() -> Iterator[Problem]:
    """What we need that is missing or too old: installed past the dependencies of ours."""
    for requirement in requirements(""):
        installed = installed_version(requirement.name)
        if not covers(requirement, installed):
            is_there = f"{installed} is installed" if installed else "it is not installed"
            yield Problem("versions", f"otel-distro needs {requirement.name}{requirement.specifier}, {is_there}")


def requirements(extra: str) -> list[Requirement]:
    """What our distribution requires, of itself (an empty string) or with an extra."""
    declared = [Requirement(text) for text in requires(OURS) or ()]
    if not extra:
        return [one for one in declared if one.marker is None]
    return [one for one in declared if one.marker is not None and one.marker.evaluate({"extra": extra})]


def covers(requirement: Requirement, installed: str) -> bool:
    """Whether a version is one of those that are asked for; pre-releases are."""
    return bool(installed) and requirement.specifier.contains(installed, prereleases=True)


def installed_version(name: str) -> str:
    """The version of a distribution; empty when it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
