"""The distro: which instrumentor serves what, and defaults for others; nothing of the user's is overwritten."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from importlib.metadata import EntryPoint

import pytest

from otel_distro import config
from otel_distro.distro import OWN, Distro, left_out
from tests.instrumented import instrumented

OURS = "otel_distro.instrumentation.x:Instrumentor"
THEIRS = "opentelemetry.instrumentation.x:Instrumentor"


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """What the distro sets is gone after the test, and the settings are read anew in it."""
    kept, before = dict(os.environ), config.use(None)
    yield
    os.environ.clear()
    os.environ.update(kept)
    config.use(before)


@pytest.mark.parametrize("name", sorted(OWN))
def test_ours_takes_the_place_of_upstream_s(name: str) -> None:
    """Of two entry points with one name ours is loaded."""
    settings = config.load({})
    assert left_out(name, OURS, settings) == ""
    assert left_out(name, THEIRS, settings) != ""


@pytest.mark.parametrize("name", sorted(OWN))
def test_upstream_s_is_loaded_where_the_user_asks_for_it(name: str) -> None:
    """By OTEL_DISTRO_UPSTREAM_INSTRUMENTATION, for the libraries it names."""
    settings = config.load({"OTEL_DISTRO_UPSTREAM_INSTRUMENTATION": name})
    assert left_out(name, OURS, settings) != ""
    assert left_out(name, THEIRS, settings) == ""


@pytest.mark.parametrize("name", ["starlette", "asgi", "asyncpg", "psycopg2", "sqlite3"])
def test_what_ours_covers_is_not_instrumented_twice(name: str) -> None:
    """Frameworks below our ASGI layer, and drivers below SQLAlchemy; unless the user asks for them."""
    assert left_out(name, THEIRS, config.load({})) != ""
    assert left_out(name, THEIRS, config.load({"OTEL_DISTRO_UPSTREAM_INSTRUMENTATION": name})) == ""


@pytest.mark.parametrize("name", ["redis", "requests", "urllib3", "openai"])
def test_everything_else_is_upstream_s(name: str) -> None:
    """Whatever the user installed."""
    assert left_out(name, THEIRS, config.load({})) == ""


@pytest.mark.parametrize("value", [OURS, THEIRS])
def test_a_disabled_sdk_instruments_nothing(value: str) -> None:
    """Not ours and not upstream's."""
    assert left_out("fastapi", value, config.load({"OTEL_SDK_DISABLED": "true"})) != ""


def test_an_instrumentor_that_fails_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and loading goes on."""
    broken = EntryPoint("broken", "tests.test_distro:Broken", "opentelemetry_instrumentor")
    with caplog.at_level(logging.WARNING, "otel_distro"):
        Distro().load_instrumentor(broken)
    assert "instrument.broken" in caplog.text


def test_an_absent_library_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Absent is not broken."""
    absent = EntryPoint("absent", "no_such_library.instrumentation:Instrumentor", "opentelemetry_instrumentor")
    with caplog.at_level(logging.INFO):
        Distro().load_instrumentor(absent)
    assert caplog.records == []


def test_defaults_for_others_leave_the_user_s_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """The configurator and the conventions of upstream's instrumentations are set only where they are not."""
    monkeypatch.setenv("OTEL_PYTHON_CONFIGURATOR", "theirs")
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "")
    monkeypatch.delenv("OTEL_SEMCONV_STABILITY_OPT_IN")
    Distro().configure()
    assert os.environ["OTEL_PYTHON_CONFIGURATOR"] == "theirs"
    assert os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] == "http,database,gen_ai"


@pytest.mark.parametrize(("name", "shown"), [("sqlalchemy", False), ("redis", True)])
def test_the_loader_s_complaints_about_what_is_ours_are_silent(
    name: str, shown: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Upstream's instrumentation need not fit a library version that ours covers; others are still complained of."""
    Distro().configure()
    loader = logging.getLogger("opentelemetry.instrumentation.auto_instrumentation._load")
    with caplog.at_level(logging.ERROR):
        loader.error("%s only instruments %s", name, f"{name}<2.1.0")
    assert bool(caplog.records) is shown


@pytest.mark.parametrize("asked", ["sqlalchemy", "httpx"])
def test_they_are_heard_where_upstream_s_is_asked_for(
    asked: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who wants upstream's is told that it does not fit."""
    monkeypatch.setenv("OTEL_DISTRO_UPSTREAM_INSTRUMENTATION", asked)
    Distro().configure()
    loader = logging.getLogger("opentelemetry.instrumentation.auto_instrumentation._load")
    loader.error("sqlalchemy only instruments sqlalchemy<2.1.0")
    assert bool(caplog.records) is (asked == "sqlalchemy")


@pytest.mark.parametrize("value", ["many", "-1", "1.5"])
def test_a_limit_that_is_none_is_told_and_withdrawn(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, value: str
) -> None:
    """The SDK can't be imported with it; the app would be without telemetry."""
    monkeypatch.setenv("OTEL_SPAN_LINK_COUNT_LIMIT", value)
    monkeypatch.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "5")
    Distro().configure()
    assert "OTEL_SPAN_LINK_COUNT_LIMIT" in caplog.text
    assert "OTEL_SPAN_LINK_COUNT_LIMIT" not in os.environ
    assert os.environ["OTEL_SPAN_EVENT_COUNT_LIMIT"] == "5"


@pytest.mark.integration
@pytest.mark.parametrize(("disabled", "frozen"), [("false", True), ("true", False)])
def test_what_is_loaded_before_the_app_is_no_garbage(*, disabled: str, frozen: bool) -> None:
    """Full collections do not look at it again; a disabled SDK leaves the collector alone."""
    outcome = instrumented("import gc; print(gc.get_freeze_count() > 10_000)", OTEL_SDK_DISABLED=disabled)
    assert (outcome.code, outcome.out) == (0, f"{frozen}\n")


class Broken:
    """An instrumentor that fails."""

    def __init__(self) -> None:
        raise RuntimeError("broken")
