"""Rules of the app's own for what is one error: by setting, and by functions that packages offer as entry points."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import get_current_span

from otel_distro.errors.exception import caused, class_name
from otel_distro.guard import guard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Rule = tuple[str, str]

ENTRY_POINTS = "otel_distro_error_group"
"""Functions `(error) -> str | None`: the name of the group an exception belongs to."""
_FIELD = re.compile(r"\{([\w.]+)\}")
_MOST = 16
_MAX_NAME = 200


class Grouping:
    """Asks the functions, then the rules: the first that knows an error names its group.

    A rule is a pattern and a name. The pattern is of an exception's type, of one that it derives from, of one of its
    causes, or of a place it came through (`module.function`); `{key}` in the name is an attribute of the current span.
    """

    def __init__(self, rules: Sequence[Rule], functions: Sequence[Callable[[BaseException], str | None]]) -> None:
        self._rules = rules
        self._functions = functions

    def __bool__(self) -> bool:
        return bool(self._rules or self._functions)

    def of(self, error: BaseException, frames: Sequence[str]) -> str:
        """Name of the group; empty when nobody has one for it."""
        for function in self._functions:
            with guard("errors.group"):
                name = function(error)
                if name:
                    return str(name)[:_MAX_NAME]
        if not self._rules:
            return ""
        names = {*_type_names(error), *frames}
        for pattern, name in self._rules:
            if any(fnmatchcase(one, pattern) for one in names):
                return _filled(name)
        return ""


@lru_cache(maxsize=1)
def offered() -> Sequence[Callable[[BaseException], str | None]]:
    """What installed packages offer; one that can't be loaded is reported, and left out.

    Looked up once: it takes milliseconds, which no request is to wait for (`errors.record.prepare`).
    """
    found = []
    for entry_point in entry_points(group=ENTRY_POINTS):
        with guard(f"errors.group.{entry_point.name}"):
            found.append(entry_point.load())
    return found


def matches(error: BaseException, patterns: Sequence[str]) -> bool:
    """Whether a pattern is of the exception's type, or of one that it derives from; with or without the module."""
    names = {name for kind in type(error).__mro__ for name in (class_name(kind), kind.__name__)}
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def _type_names(error: BaseException) -> set[str]:
    """Those of the exception and its causes, with the classes that they derive from."""
    return {class_name(kind) for one in caused(error, _MOST) for kind in type(one).__mro__[:-1]}


def _filled(name: str) -> str:
    attributes: Any = getattr(get_current_span(), "attributes", None) or {}
    return _FIELD.sub(lambda field: str(attributes.get(field[1], "")), name)[:_MAX_NAME].strip()
