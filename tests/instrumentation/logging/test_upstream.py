"""Apps written for upstream's logging instrumentation: ids on their records, hooks, and no doubles."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from io import StringIO

import pytest
from opentelemetry import trace

from otel_distro.instrumentation.logging import LoggingInstrumentor
from tests.conformance.source import ROOT, libraries_of
from tests.conformance.suites import SUITES
from tests.conftest import Telemetry
from tests.exporter.server import OtlpServer
from tests.instrumented import instrumented

SCRIPT = """
import logging
from opentelemetry.instrumentation.logging import LoggingInstrumentor
LoggingInstrumentor().instrument(set_logging_format=True)
logging.getLogger("app").info("the app's line")
"""


@pytest.fixture
def lines() -> Iterator[StringIO]:
    """What a handler of the app's, neither console nor file, writes by upstream's field names."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(otelTraceID)s %(otelSpanID)s %(otelTraceSampled)s %(message)s"))
    logger = logging.getLogger("app.correlated")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


@pytest.fixture
def instrumentor(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoggingInstrumentor]:
    """Ours, under the variable that asks for ids on records."""
    monkeypatch.setenv("OTEL_PYTHON_LOG_CORRELATION", "true")
    instrumentor = LoggingInstrumentor()
    before = logging.getLogRecordFactory()
    instrumentor.instrument()
    yield instrumentor
    instrumentor.uninstrument()
    assert logging.getLogRecordFactory() is before


def test_the_app_s_format_gets_the_ids(
    instrumentor: LoggingInstrumentor, lines: StringIO, telemetry: Telemetry
) -> None:
    """With OTEL_PYTHON_LOG_CORRELATION the app's own handlers show trace and span id; our record has no second ones."""
    with trace.get_tracer("app").start_as_current_span("work") as span:
        logging.getLogger("app.correlated").warning("here")
    identity = span.get_span_context()
    assert lines.getvalue() == f"{identity.trace_id:032x} {identity.span_id:016x} True here\n"
    [record] = telemetry.logs("here")
    assert not [key for key in record.attributes or () if key.startswith("otel")]


def test_a_log_hook(telemetry: Telemetry) -> None:
    """A `log_hook` puts what it likes on records inside of spans; its failure stays here."""

    def hook(span: trace.Span, record: logging.LogRecord) -> None:
        record.order = 7
        raise LookupError

    instrumentor = LoggingInstrumentor()
    instrumentor.instrument(log_hook=hook)
    with trace.get_tracer("app").start_as_current_span("work"):
        logging.getLogger("app").warning("hooked")
    logging.getLogger("app").warning("alone")
    instrumentor.uninstrument()
    assert (telemetry.logs("hooked")[0].attributes or {})["order"] == 7
    assert "order" not in (telemetry.logs("alone")[0].attributes or {})


def test_upstream_s_call_makes_no_doubles() -> None:
    """An app that calls upstream's `instrument(set_logging_format=True)` has each line once, and its level INFO."""
    [suite] = [suite for suite in SUITES if suite.name == "logging"]
    with OtlpServer().running() as server:
        outcome = instrumented(SCRIPT, server, PYTHONPATH=f"{libraries_of(suite)}{os.pathsep}{ROOT}")
        assert len(outcome.about("the app's line")) == 1
        assert [record.body.string_value for record in server.log_records()] == ["the app's line"]
