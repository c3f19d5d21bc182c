"""Which encoders are in use."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from otel_distro import config
from otel_distro.exporter import batch
from otel_distro.exporter.otlp import OtlpExporter
from otel_distro.exporter.sender import Sender
from otel_distro.logs.console import renderer
from otel_distro.logs.json_line import JsonLines
from otel_distro.native import MODULE, extension, is_active
from tests.exporter.requests import RESOURCE, Kept


def in_use() -> tuple[Any, Any]:
    """What adds to a batch, and what renders a line."""
    exporter = OtlpExporter(Sender("logs", Kept(), 1 << 20, 10), lambda: RESOURCE)
    exporter.shutdown(0)
    return exporter._add, renderer("json", {})


@pytest.fixture
def off() -> Any:
    """As the variable says it."""
    before = config.use(config.load({"OTEL_DISTRO_NATIVE": "off"}))
    yield
    config.use(before)


def test_off_is_python(off: None) -> None:
    """`OTEL_DISTRO_NATIVE=off` leaves all to the Python twins."""
    add, render = in_use()
    assert (is_active(), add, type(render)) == (False, batch.add_logs, JsonLines)


def test_auto_is_native_where_it_was_built() -> None:
    """By default both are of the extension, or neither."""
    add, render = in_use()
    made = extension()
    assert (type(render) is JsonLines) is (add is batch.add_logs) is (made is None)


@pytest.mark.parametrize("interface", [None, 0, 999])
def test_an_extension_of_other_sources_is_not_used(interface: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was built with another version of the package stays unused."""
    other: Any = ModuleType(MODULE)
    other.INTERFACE = interface
    monkeypatch.setitem(sys.modules, MODULE, other)
    assert extension() is None


def test_an_extension_that_can_not_be_loaded(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """One line, and the Python ones serve."""

    class Broken:
        def find_spec(self, name: str, *_: object) -> None:
            if name == MODULE:
                raise ImportError("undefined symbol")

    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    assert extension() is None
    assert [record.message for record in caplog.records] == [
        "The native encoders can't be loaded, the Python ones serve: undefined symbol"
    ]
