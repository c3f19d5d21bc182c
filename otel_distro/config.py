"""Settings: the only reader of the environment, into one frozen object. Each setting is one row of `SETTINGS`."""

from __future__ import annotations

import os
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from otel_distro.config_otlp import BY_GRPC, OTLP_SETTINGS, Otlp, Setting, of_signal
from otel_distro.config_parse import (
    boolean,
    bytes_rate,
    bytes_size,
    choice,
    hosts,
    level,
    limit,
    milliseconds,
    names,
    optional_path,
    positive,
    rules,
    seconds,
    text,
)
from otel_distro.redaction import endpoint_without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIGNALS = ("traces", "metrics", "logs")


def _own(default: str, parse: Callable[[str], Any], brief: str, *, name: str = "", secret: bool = False) -> Any:
    return Setting(name, default, parse, brief, secret, standard=bool(name))


class Settings(NamedTuple):
    """All settings in force; field `x_y` is the variable `OTEL_DISTRO_X_Y` unless its row names another one.

    A field's default is its row in `SETTINGS`, not its value: only `load()` makes these.
    """

    disabled: bool = _own("false", boolean, "Switch the whole distribution off", name="OTEL_SDK_DISABLED")
    config_file: str = _own(
        "",
        text,
        "A declarative configuration file: upstream's configurator then builds the SDK",
        name="OTEL_CONFIG_FILE",
    )
    traces_exporter: tuple[str, ...] = _own(
        "otlp",
        names,
        "Span exporters: otlp, console, none, or an entry point's name",
        name="OTEL_TRACES_EXPORTER",
    )
    metrics_exporter: tuple[str, ...] = _own(
        "otlp",
        names,
        "Metric exporters: otlp, console, none, prometheus, or an entry point's name",
        name="OTEL_METRICS_EXPORTER",
    )
    logs_exporter: tuple[str, ...] = _own(
        "otlp",
        names,
        "Log exporters: otlp, console, none, or an entry point's name",
        name="OTEL_LOGS_EXPORTER",
    )
    propagators: tuple[str, ...] = _own(
        "tracecontext,baggage",
        names,
        "Propagators; baggage leaves to allowed hosts only",
        name="OTEL_PROPAGATORS",
    )
    metric_interval: float = _own(
        "60000", milliseconds, "Milliseconds between two metric exports", name="OTEL_METRIC_EXPORT_INTERVAL"
    )
    temporality: str = _own(
        "cumulative",
        choice("cumulative", "delta", "lowmemory"),
        "Temporality of exported metrics: cumulative, delta or lowmemory",
        name="OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
    )
    exemplar_filter: str = _own(
        "trace_based",
        choice("trace_based", "always_on", "always_off"),
        "Which measurements may become exemplars (always_on counts as trace_based: an exemplar must open)",
        name="OTEL_METRICS_EXEMPLAR_FILTER",
    )
    batch_delay: float = _own(
        "1000",
        milliseconds,
        "Longest wait of an ended span before it is sent, milliseconds",
        name="OTEL_BSP_SCHEDULE_DELAY",
    )
    batch_size: int = _own("512", positive, "Records in a full batch", name="OTEL_BSP_MAX_EXPORT_BATCH_SIZE")
    log_level: int = _own("", level, "Level of the root logger; unset: as the app sets it", name="LOG_LEVEL")
    log_format: str = _own(
        "auto",
        choice("auto", "json", "text", "app"),
        "Console lines: json, text, app (the app's own handlers untouched); auto is text on a terminal, else json",
    )
    attribute_count: int | None = _own(
        "",
        limit,
        "Most attributes of a span or log record, where no limit of its own is set",
        name="OTEL_ATTRIBUTE_COUNT_LIMIT",
    )
    attribute_length: int | None = _own(
        "",
        limit,
        "Longest text of an attribute of a span or log record, where no limit of its own is set",
        name="OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    )
    log_attribute_count: int | None = _own(
        "",
        limit,
        "Most attributes of an exported log record; request id, user and their like do not count",
        name="OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
    )
    log_attribute_length: int | None = _own(
        "",
        limit,
        "Longest text of an attribute of an exported log record",
        name="OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    )
    access_log: bool = _own("true", boolean, "Write `request_completed` per request in place of uvicorn's access lines")
    quiet_routes: tuple[str, ...] = _own(
        "/health",
        names,
        "Paths (* at the end matches any rest) that are counted but give no span and no line",
    )
    inbound_trace: str = _own(
        "continue",
        choice("continue", "link"),
        "Continue the caller's trace, or begin a new one that links to it",
    )
    baggage_hosts: tuple[str, ...] = _own(
        "localhost,127.0.0.1,::1",
        hosts,
        "First-party hosts that may get baggage; .example.com covers subdomains, * is any host, as upstream has it",
    )
    identity: str = _own("hash", choice("hash", "raw"), "How bound users and sessions are recorded: keyed hash, or raw")
    identity_key: str = _own("", text, "Key of the identity hashes; unset: a random key kept per host", secret=True)
    slow_query_ms: float = _own("500", milliseconds, "A query slower than this is logged and counted as slow")
    slow_request_ms: float = _own(
        "2000", milliseconds, "A request slower than this is kept although the sampler dropped it"
    )
    keep_per_minute: int = _own("60", positive, "Late keeps per minute for each route or task and error type")
    errors_per_minute: int = _own(
        "60",
        positive,
        "Records with a stack per minute for one error; those beyond are counted, and told later",
    )
    error_groups: tuple[tuple[str, str], ...] = _own(
        "",
        rules,
        "What is one error: pattern=name, of exception types or places (module.function); {attribute} in the name",
    )
    error_in_app: tuple[str, ...] = _own(
        "", names, "Modules whose frames are the app's own; with - before it: whose are not"
    )
    expected_errors: tuple[str, ...] = _own(
        "", names, "Exception types that are no defect when they leave a request or task: neither recorded nor counted"
    )
    breadcrumbs: int | None = _own(
        "30", limit, "Latest log lines, queries and calls of a request or task that go with its error; 0: none"
    )
    buffer_bytes: int = _own(
        "32MiB",
        bytes_size,
        "Most bytes that wait in a process: of records to be encoded, and of each signal to be sent",
    )
    undecided_bytes: int = _own("8MiB", bytes_size, "Most bytes of head-dropped spans waiting for their root's outcome")
    cardinality_limit: int = _own("2000", positive, "Most series of one metric; the rest is counted as overflow")
    native: str = _own(
        "auto",
        choice("auto", "off"),
        "Encoders compiled with the package: auto uses them where they were built; off also builds none",
    )
    shutdown_timeout: float = _own("2", seconds, "Seconds that all signals together may take to flush at the end")
    spool_dir: Path | None = _own(
        "",
        optional_path,
        "Where batches wait on disk while they can't be delivered; unset: spool in the cache directory",
    )
    spool_max_bytes: int = _own(
        "256MiB", bytes_size, "Most bytes that wait on disk, of each signal and of all processes; 0 keeps no spool"
    )
    spool_max_age: float = _own(
        "19800", seconds, "Seconds after which a batch is dropped, as stores refuse what is older (5.5 hours); 0: never"
    )
    spool_rate: int = _own(
        "2MiB", bytes_rate, "Most bytes of what waited on disk that a process sends in a second, of each signal"
    )
    upstream_instrumentation: tuple[str, ...] = _own(
        "", names, "Libraries left to upstream's instrumentation, for example sqlalchemy"
    )
    cache_dir: Path = _own(
        "~/.cache/otel-distro", optional_path, "Where per-host state is kept: identity key, viewer database"
    )
    viewer_db: Path | None = _own("", optional_path, "The viewer's database; unset: viewer.db in the cache directory")
    otlp: Mapping[str, Otlp] = MappingProxyType({})
    problems: tuple[str, ...] = ()


SETTINGS: dict[str, Setting] = {
    name: row._replace(name=row.name or f"OTEL_DISTRO_{name.upper()}")
    for name, row in Settings._field_defaults.items()
    if isinstance(row, Setting)
}
"""Every setting of one value, by its field in `Settings`."""


def _shown(setting: Setting, raw: str) -> str:
    """What may be said of a value that can't be understood."""
    return endpoint_without_secrets(raw) if setting.name == OTLP_SETTINGS["endpoint"].name else raw


class _Reader:
    """Reads variables, falls back to the default where one can't be parsed, and remembers one line for each."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []
        self.understood: set[str] = set()

    def value(self, setting: Setting, name: str = "") -> Any:
        variable = name or setting.name
        raw = self.environ.get(variable, "").strip()
        if not raw:
            return setting.parse(setting.default)
        try:
            value = setting.parse(raw)
            self.understood.add(variable)
            return value
        except ValueError as error:
            shown = "***" if setting.secret else repr(_shown(setting, raw)[:100])
            self.problems.append(f"{variable}={shown} is ignored, {setting.default or 'nothing'} is used: {error}")
            return setting.parse(setting.default)

    def otlp(self, signal: str) -> Otlp:
        values: dict[str, Any] = {}
        for key, setting in OTLP_SETTINGS.items():
            specific = of_signal(setting, signal)
            own = bool(self.environ.get(specific, "").strip())
            by_grpc = values.get("protocol") == "grpc"
            row = setting._replace(**BY_GRPC.get(key, {})) if by_grpc else setting
            values[key] = self.value(row, specific if own else "")
            variable = specific if own else setting.name
            if key == "endpoint" and variable in self.understood:
                values["named_by"] = variable
            if key == "endpoint" and not own and not by_grpc:
                values[key] = f"{values[key].rstrip('/')}/v1/{signal}"
        if "://" not in values["endpoint"]:
            values["endpoint"] = f"http{'' if values['insecure'] else 's'}://{values['endpoint']}"
        return Otlp(**values)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read all settings; what can't be parsed keeps its default and adds a line to `problems`."""
    reader = _Reader(os.environ if environ is None else environ)
    values = {name: reader.value(setting) for name, setting in SETTINGS.items()}
    otlp = {signal: reader.otlp(signal) for signal in SIGNALS}
    return Settings(**values, otlp=otlp, problems=tuple(dict.fromkeys(reader.problems)))


class _Current:
    """Holds the settings in force, read on first use."""

    __slots__ = ("settings",)

    def __init__(self) -> None:
        self.settings: Settings | None = None


_current = _Current()


def current() -> Settings:
    """The settings in force in this process; read from the environment on first use."""
    if _current.settings is None:
        _current.settings = load()
    return _current.settings


def use(settings: Settings | None) -> Settings | None:
    """Put other settings in force (None: read the environment again) and return those before."""
    before, _current.settings = _current.settings, settings
    return before


_LIMITS = (
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
)


def withdraw_bad_limits() -> list[str]:
    """Unset limits that the SDK would refuse to be imported with; one line for each."""
    problems = []
    for name in _LIMITS:
        raw = os.environ.get(name)
        if raw is not None and not _is_limit(raw):
            del os.environ[name]
            problems.append(f"{name}={raw[:100]!r} is ignored, the default is used: it takes a whole number from 0 on")
    return problems


def _is_limit(raw: str) -> bool:
    try:
        return raw.strip() == "" or int(raw) >= 0
    except ValueError:
        return False


def environment(name: str, default: str = "") -> str:
    """A variable that belongs to another party (upstream's excluded URLs, captured headers), as it is."""
    return os.environ.get(name, default)


def names_set(prefix: str) -> list[str]:
    """The variables that begin so and are not empty."""
    return sorted(name for name, value in os.environ.items() if name.startswith(prefix) and value.strip())


def default_environment(values: Mapping[str, str]) -> None:
    """Set variables that the user has not set, for libraries that read the environment themselves."""
    for name, value in values.items():
        os.environ.setdefault(name, value)
