"""Off, partly off, or built by somebody else: what the configurator leaves alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.conformance.source import fetched_library
from tests.exporter.server import OtlpServer
from tests.instrumented import SCRIPT, Outcome, instrumented

pytestmark = pytest.mark.integration

LOGS = "import logging\nlogging.basicConfig(level='INFO', format='APP %(message)s')\n" + SCRIPT
CONFIGURATION = """
file_format: "1.0"
tracer_provider:
  processors:
    - simple:
        exporter:
          console: {}
"""


@pytest.fixture
def server() -> Iterator[OtlpServer]:
    """A collector on a free port."""
    with OtlpServer().running() as running:
        yield running


@pytest.mark.parametrize("script", [SCRIPT, LOGS, "raise SystemExit(3)", "raise ValueError('the app')"])
def test_a_disabled_sdk_changes_nothing(server: OtlpServer, script: str) -> None:
    """Same output, same exit code as without us; nothing is sent."""
    without = instrumented(script, server, command=False)
    disabled = instrumented(script, server, OTEL_SDK_DISABLED="true")
    assert (disabled.code, disabled.out, disabled.err) == (without.code, without.out, without.err)
    assert server.received == []


def test_a_disabled_instrumentation_leaves_its_library_alone(server: OtlpServer) -> None:
    """The console is the app's again; spans still leave."""
    outcome = instrumented(LOGS, server, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="logging")
    assert outcome.err == "APP the app's line\n"
    assert len(server.spans()) == 2
    assert server.log_records() == []


def test_all_instrumentations_can_be_disabled(server: OtlpServer) -> None:
    """By the wildcard; the SDK is there for what the app does itself."""
    outcome = instrumented(SCRIPT, server, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*")
    assert outcome.fine
    assert len(server.spans()) == 2


def test_nothing_is_printed_about_what_is_ours(server: OtlpServer) -> None:
    """No complaint of upstream's loader about a library or a configurator that we serve."""
    outcome = instrumented("print('silence')", server)
    assert (outcome.out, outcome.err) == ("silence\n", "")


def test_somebody_else_s_configurator_is_not_fought(server: OtlpServer) -> None:
    """OTEL_PYTHON_CONFIGURATOR of the user stays, and the console stays the app's."""
    outcome = instrumented(LOGS, server, OTEL_PYTHON_CONFIGURATOR="somebody")
    assert (outcome.code, outcome.out) == (0, "the app's output\n")
    assert outcome.about("APP the app's line")
    assert server.received == []


def test_a_configuration_file_without_its_package_is_one_line(tmp_path: Path) -> None:
    """It says what to install; the app runs on, its console untouched."""
    file = tmp_path / "otel.yaml"
    file.write_text(CONFIGURATION)
    outcome = instrumented(LOGS, None, OTEL_CONFIG_FILE=str(file))
    assert outcome.err.splitlines()[1:] == ["APP the app's line"]
    assert "OTEL_CONFIG_FILE" in outcome.err
    assert "pip install opentelemetry-configuration" in outcome.err


def test_a_configuration_file_builds_upstream_s_sdk() -> None:
    """With its package the file alone says what happens; instrumentation works on it."""
    outcome = configured(CONFIGURATION)
    assert (outcome.code, outcome.err) == (0, "APP the app's line\n")
    assert outcome.out.count('"name": "outer"') == 1


@pytest.mark.parametrize("text", ["a: [", "file_format: '1.0'\ntracer_provider: 5", None])
def test_a_configuration_file_that_is_none_is_one_line(text: str | None) -> None:
    """Broken, wrong or absent: the app runs on, without telemetry."""
    outcome = configured(text)
    assert (outcome.code, outcome.out) == (0, "the app's output\n")
    assert len([line for line in outcome.about("OTEL_CONFIG_FILE=") if "can't be used" in line]) == 1
    assert outcome.about("APP the app's line")


def configured(text: str | None) -> Outcome:
    """The script under a configuration file with this text, with upstream's package for it."""
    library = fetched_library(f"opentelemetry-configuration=={version('opentelemetry-semantic-conventions')}")
    with TemporaryDirectory() as folder:
        file = Path(folder, "otel.yaml")
        if text is not None:
            file.write_text(text)
        return instrumented(LOGS, None, OTEL_CONFIG_FILE=str(file), PYTHONPATH=os.fspath(library))
