"""Settings in force, and where each comes from; secrets are never shown."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from otel_distro import config
from otel_distro.config import SETTINGS, SIGNALS
from otel_distro.config_otlp import OTLP_SETTINGS, of_signal
from otel_distro.config_upstream import HONOURED
from otel_distro.doctor.problem import Problem
from otel_distro.exporter.transport import shown
from otel_distro.redaction import pairs_without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_distro.config import Settings
    from otel_distro.config_otlp import Setting

_OWN = "OTEL_DISTRO_"
_MASK = "***"
_MOST_SHOWN = 500
_CLOSE = 0.75
"""How much of two names is the same, from 0 to 1, where one may be a slip for the other."""


class Effective(NamedTuple):
    """A setting: its value as it would be typed, and its source: `environment`, with the variable, or `default`."""

    name: str
    value: str
    source: str
    variable: str = ""


def in_force(settings: Settings) -> tuple[Effective, ...]:
    """Ours, those of OTLP for each signal, and what is set of those that others read."""
    ours = [_one(setting, getattr(settings, field)) for field, setting in SETTINGS.items()]
    otlp = [
        _one(setting, getattr(settings.otlp[signal], field), of_signal(setting, signal))
        for signal in SIGNALS
        for field, setting in OTLP_SETTINGS.items()
    ]
    return (*ours, *otlp, *_others())


def _others() -> Iterator[Effective]:
    for name in HONOURED:
        value = config.environment(name)
        if value:
            yield Effective(name, pairs_without_secrets(value)[:_MOST_SHOWN], "environment", name)


def _one(setting: Setting, value: Any, specific: str = "") -> Effective:
    """The variable that counts: the signal's own, before the one for all; one that can't be understood does not."""
    name = specific or setting.name
    for variable in (name, setting.name):
        raw = config.environment(variable).strip()
        if raw:
            source = ("environment", variable) if _is_understood(setting, raw) else ("default", "")
            return Effective(name, _shown(setting, value), *source)
    return Effective(name, _shown(setting, value), "default")


def _is_understood(setting: Setting, raw: str) -> bool:
    try:
        setting.parse(raw)
    except ValueError:
        return False
    return True


def _shown(setting: Setting, value: Any) -> str:
    if setting.secret:
        return _MASK if value else ""
    if setting is OTLP_SETTINGS["endpoint"]:
        return shown(value)
    return _text(value)[:_MOST_SHOWN]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value) if isinstance(value, (str, Path)) else f"{value:.12g}"


def problems(settings: Settings) -> Iterator[Problem]:
    """Values that can't be understood, and names of ours that are no settings."""
    yield from (Problem("settings", text) for text in settings.problems)
    known = {setting.name.removeprefix(_OWN) for setting in SETTINGS.values() if setting.name.startswith(_OWN)}
    for name in config.names_set(_OWN):
        rest = name.removeprefix(_OWN)
        if rest not in known:
            close = get_close_matches(rest, known, 1, _CLOSE)
            yield Problem("settings", f"{name} is no setting{f'; {_OWN}{close[0]} is one' if close else ''}")
