"""What would be instrumented: the loader of `opentelemetry-instrument` does it, here, and we see what becomes of it."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.instrumentation.auto_instrumentation import _load as loader
from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts
from opentelemetry.util._importlib_metadata import entry_points
from packaging.requirements import Requirement

from otel_distro import config, guard
from otel_distro.distro import FAILED, OWN, Distro, switch_on
from otel_distro.doctor.problem import Problem
from otel_distro.doctor.versions import OURS, covers, installed_version, requirements

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.metadata import EntryPoint

    from otel_distro.instrumentation import Instrumentor

_GROUP = "opentelemetry_instrumentor"
_DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
_UPSTREAM = "opentelemetry"
_NATIVE = "otel_distro.instrumentation.asgi.native"


class Instrumentation(NamedTuple):
    """One that is installed: on, or not and why; whose it is, and the libraries it is for with their versions."""

    name: str
    entry_point: str
    on: bool
    reason: str
    package: str
    libraries: dict[str, str]
    problem: str = ""
    note: str = ""


class _Looking(Distro):
    """Our distro, which also remembers what became of each instrumentor that the loader gave it."""

    _instance = None

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:
        self.reasons[entry_point.value] = switch_on(entry_point, **kwargs)


def instrumentations() -> tuple[Instrumentation, ...]:
    """Of this environment, by name; from here on they are on in this process, as far as they would be."""
    distro = _Looking()
    distro.configure()
    load: Any = loader._load_instrumentors  # noqa: SLF001 - what `opentelemetry-instrument` calls
    load(distro)
    found = [_one(entry_point, distro.reasons) for entry_point in entry_points(group=_GROUP)]
    return tuple(sorted(found, key=lambda one: (one.name, one.package != OURS, one.package)))


def _one(entry_point: EntryPoint, reasons: dict[str, str]) -> Instrumentation:
    package = entry_point.dist.name if entry_point.dist else ""
    requirements = _requirements(entry_point)
    libraries = {one.name: found for one in requirements if (found := installed_version(one.name))}
    reason = reasons.get(entry_point.value)
    if reason is None:
        reason, problem = _kept_back(entry_point)
    elif reason or package != OURS:
        problem = f"{entry_point.value} could not be switched on" if reason == FAILED else ""
    else:
        return _of_ours(entry_point, requirements)
    return Instrumentation(entry_point.name, entry_point.value, not reason, reason, package, libraries, problem)


def _kept_back(entry_point: EntryPoint) -> tuple[str, str]:
    """Why the loader did not give it to the distro; and that as a problem, when it is one."""
    names = [name.strip() for name in config.environment(_DISABLED).split(",")]
    if entry_point.name in names or "*" in names:
        return f"{_DISABLED} names it", ""
    conflict = get_dist_dependency_conflicts(entry_point.dist) if entry_point.dist else None
    if conflict is None:
        return "the loader left it out", ""
    found = [conflict.found] if conflict.found else list(conflict.found_any or ())
    wanted = ", ".join(map(str, [conflict.required] if conflict.required else conflict.required_any or ()))
    if not found:
        return f"{wanted.partition(';')[0]} is not installed", ""
    reason = f"it covers {wanted.partition(';')[0]}, installed is {', '.join(found)}"
    ours = entry_point.name in OWN and entry_point.name not in config.current().upstream_instrumentation
    return reason, "" if ours else f"{entry_point.name}: {reason}"


def _requirements(entry_point: EntryPoint) -> list[Requirement]:
    """The libraries that an instrumentation is for: ours by the modules it hooks, others by what they declare."""
    if entry_point.dist is None:
        return []
    if entry_point.dist.name != OURS:
        declared = [Requirement(text) for text in entry_point.dist.requires or () if "extra" in text]
        extras = ({"extra": "instruments"}, {"extra": "instruments-any"})
        return [one for one in declared if one.marker and any(one.marker.evaluate(extra) for extra in extras)]
    covered = {one.name: one for one in requirements(entry_point.name)}
    names = packages_distributions()
    return [
        covered.get(name) or Requirement(name)
        for module in _tops(entry_point.load()().hooks())
        for name in names.get(module, [module])
    ]


def _tops(modules: Iterable[str]) -> list[str]:
    """Packages of others among the modules that are hooked, each once."""
    return list(dict.fromkeys(top for module in modules if (top := module.partition(".")[0]) != _UPSTREAM))


def _of_ours(entry_point: EntryPoint, requirements: list[Requirement]) -> Instrumentation:
    """Ours is on when its library is there and, once imported, took the patches."""
    made: Instrumentor = entry_point.load()()
    modules = [module for module in made.hooks() if not module.startswith(f"{_UPSTREAM}.")]
    present = [module for module in modules if find_spec(module.partition(".")[0]) is not None]
    libraries = {one.name: found for one in requirements if (found := installed_version(one.name))}
    reason = problem = ""
    if not present:
        reason = f"{' or '.join(_tops(modules))} is not installed"
    failures = [failure for module in present if (failure := _imported(module))]
    strange = [one for one in requirements if one.name in libraries and not covers(one, libraries[one.name])]
    if failures:
        reason, problem = FAILED, f"{entry_point.name}: {'; '.join(failures)}"
    elif strange:
        told = ", ".join(f"{one.name}{one.specifier}, installed is {libraries[one.name]}" for one in strange)
        problem = f"{entry_point.name}: ours covers {told}"
    note = "FastAPI's own telemetry is switched off" if _silences_fastapi(made) else ""
    return Instrumentation(entry_point.name, entry_point.value, not reason, reason, OURS, libraries, problem, note)


def _silences_fastapi(made: Instrumentor) -> bool:
    """Whether its patch is in place: only a FastAPI that has telemetry of its own gets it."""
    fastapi = sys.modules.get("fastapi") if "fastapi.applications" in made.hooks() else None
    setup = getattr(getattr(fastapi, "FastAPI", None), "setup", None)
    return getattr(setup, "__globals__", {}).get("__name__") == _NATIVE


def _imported(module: str) -> str:
    """Import what is hooked, so that the hook runs; what went wrong, if anything did."""
    where = f"instrument.{module}"
    before = guard.failures.get(where, 0)
    error = guard.rendered(lambda: import_module(module).__name__[:0], lambda error: f"{type(error).__name__}: {error}")
    if error:
        return f"{module} can't be imported: {error}"
    return f"its hook in {module} failed" if guard.failures.get(where, 0) > before else ""


def problems(found: Iterable[Instrumentation]) -> Iterator[Problem]:
    """What should be on and is not, or may not work with what is installed."""
    return (Problem("instrumentations", one.problem) for one in found if one.problem)
