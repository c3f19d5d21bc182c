"""Settings: one reader of the environment, one frozen object, one line for what can't be understood."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_distro import config
from otel_distro.config import SETTINGS, SIGNALS, load
from otel_distro.config_otlp import OTLP_SETTINGS

VARIABLES = [setting.name for setting in (*SETTINGS.values(), *OTLP_SETTINGS.values())]
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def test_defaults_are_understood() -> None:
    """An empty environment gives the defaults, without a complaint."""
    settings = load({})
    assert settings.problems == ()
    assert settings.traces_exporter == ("otlp",)
    assert settings.buffer_bytes == 32 * 1024 * 1024
    assert settings.quiet_routes == ("/health",)
    assert settings.cache_dir == Path.home() / ".cache" / "otel-distro"


def test_settings_are_frozen() -> None:
    """What is in force is replaced, never changed."""
    with pytest.raises(AttributeError):
        load({}).disabled = True  # type: ignore[misc]


def test_a_variable_is_read() -> None:
    """Spaces around a value and empty parts of a list are nothing."""
    settings = load({"OTEL_DISTRO_QUIET_ROUTES": " /health , /ready/*,", "OTEL_SDK_DISABLED": " TRUE "})
    assert settings.quiet_routes == ("/health", "/ready/*")
    assert settings.disabled


def test_an_empty_variable_is_not_set() -> None:
    """OpenTelemetry's rule: empty means unset."""
    assert load({"OTEL_METRIC_EXPORT_INTERVAL": "  "}) == load({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_SDK_DISABLED", "maybe"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "often"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "-1"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "nan"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "inf"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1.5"),
        ("OTEL_DISTRO_BUFFER_BYTES", "32 bananas"),
        ("OTEL_DISTRO_LOG_FORMAT", "xml"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://host:99999"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "brotli"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "no equals sign"),
    ],
)
def test_what_cannot_be_understood_keeps_its_default(name: str, value: str) -> None:
    """One line names the variable; everything else is as by default."""
    settings = load({name: value})
    assert settings.problems
    assert all(line.startswith(f"{name}=") for line in settings.problems)
    assert settings._replace(problems=()) == load({})


def test_a_problem_is_named_once() -> None:
    """A variable that all signals share gives one line, not one for each signal."""
    assert len(load({"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}).problems) == 1


def test_a_secret_is_never_shown() -> None:
    """The complaint about a secret setting does not echo its value."""
    (line,) = load({"OTEL_EXPORTER_OTLP_LOGS_HEADERS": "hunter2"}).problems
    assert "hunter2" not in line


def test_a_long_value_is_cut_in_the_complaint() -> None:
    """A line stays one line."""
    (line,) = load({"OTEL_SDK_DISABLED": "x\n" * 10_000}).problems
    assert "\n" not in line
    assert len(line) < 300


def test_the_general_endpoint_gets_the_signal_s_path() -> None:
    """`/v1/<signal>` is appended to it, after a path or a slash of its own."""
    for endpoint in ("http://host:4318", "http://host:4318/"):
        otlp = load({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}).otlp
        assert {signal: otlp[signal].endpoint for signal in SIGNALS} == {
            signal: f"http://host:4318/v1/{signal}" for signal in SIGNALS
        }


def test_a_signal_s_own_endpoint_is_used_as_it_is() -> None:
    """The variable of one signal wins for that signal alone, and gets nothing appended."""
    otlp = load({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://b/in"}).otlp
    assert (otlp["logs"].endpoint, otlp["traces"].endpoint) == ("http://b/in", "http://a/v1/traces")


def test_headers_are_decoded() -> None:
    """Keys in lower case, values percent-decoded, as the specification says."""
    otlp = load({"OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20x=,b=%2C"}).otlp
    assert otlp["traces"].headers == (("authorization", "Bearer x="), ("b", ","))


@pytest.mark.parametrize(
    ("text", "size"),
    [("10", 10), ("1KiB", 1024), ("1 kb", 1000), ("1.5MiB", 1572864), ("2GB", 2 * 10**9), ("7b", 7)],
)
def test_sizes(text: str, size: int) -> None:
    """Bytes, with decimal and binary units in any case."""
    assert load({"OTEL_DISTRO_BUFFER_BYTES": text}).buffer_bytes == size


@given(st.sampled_from(VARIABLES), VALUES)
def test_no_value_stops_the_application(name: str, value: str) -> None:
    """Whatever a variable holds, reading it raises nothing."""
    load({name: value})


def test_the_settings_in_force_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is read on first use; later changes of it change nothing."""
    before = config.use(None)
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    first = config.current()
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    assert config.current() is first
    assert config.use(before) is first
    assert first.log_level == 10


def test_a_user_s_variable_is_not_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defaults for other libraries are set only where the user has set nothing."""
    monkeypatch.setenv("OTEL_SET", "by the user")
    monkeypatch.setenv("OTEL_UNSET", "")
    monkeypatch.delenv("OTEL_UNSET")
    config.default_environment({"OTEL_SET": "by us", "OTEL_UNSET": "by us"})
    assert (os.environ["OTEL_SET"], os.environ["OTEL_UNSET"]) == ("by the user", "by us")
    monkeypatch.delenv("OTEL_UNSET")


def test_every_setting_has_a_sentence_and_a_name() -> None:
    """The table that documentation and `otel-distro settings` print is complete."""
    for setting in (*SETTINGS.values(), *OTLP_SETTINGS.values()):
        assert setting.brief
        assert setting.name.startswith(("OTEL_", "LOG_LEVEL"))
        assert setting.standard == (not setting.name.startswith("OTEL_DISTRO_"))
