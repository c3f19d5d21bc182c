"""Log record processors and exporters of others on our logger provider: they get every line, whoever wrote it."""

from __future__ import annotations

import pytest

from tests.exporter.requests import attributes
from tests.exporter.server import OtlpServer
from tests.third_party.conftest import Run, posted

pytestmark = pytest.mark.integration

APP = """
import logging
from opentelemetry import baggage, context, trace
from opentelemetry._logs import LogRecord, SeverityNumber, get_logger_provider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, ConsoleLogRecordExporter, SimpleLogRecordProcessor
import structlog, vendor
provider = get_logger_provider()
def work():
    context.attach(baggage.set_baggage("tenant", "acme"))
    with trace.get_tracer("app").start_as_current_span("outer"):
        logging.getLogger("stdlib").warning("card %s", 4711, extra={"card": "4711", "kept": 1})
        structlog.get_logger().error("card 4711", card="4711", kept=1)
        values = {"card": "4711", "kept": 1}
        record = LogRecord(body="card 4711", severity_number=SeverityNumber.WARN, attributes=values)
        provider.get_logger("api").emit(record)
"""


def test_what_a_processor_changes_is_so_for_all(run: Run, server: OtlpServer) -> None:
    """Masked body, attribute taken out, attribute put in from baggage: in our OTLP and in the console's line."""
    outcome = run(APP + "provider.add_log_record_processor(vendor.Masking()); work()")
    records = server.log_records()
    assert [record.body.string_value for record in records] == ["card ****"] * 3
    for record in records:
        found = attributes(record.attributes)
        assert (found["vendor.tenant"], found["kept"], "card" in found) == ("acme", 1, False)
        assert record.trace_id == server.spans()[0].trace_id
    assert "4711" not in outcome.out + outcome.err
    assert len(outcome.about('"kept":1')) == 3


@pytest.mark.parametrize("processor", ["SimpleLogRecordProcessor", "BatchLogRecordProcessor"])
def test_an_exporter_added_by_the_app_gets_every_line_once(run: Run, server: OtlpServer, processor: str) -> None:
    """Of the standard library, of structlog and of the logs API, in their trace; flushed and shut down at the end."""
    run(APP + f"provider.add_log_record_processor({processor}(vendor.LogExporter())); work()")
    found = [one for batch in posted(server, "/logs") for one in batch]
    assert [(one["logger"], one["body"], one["attributes"]["kept"]) for one in found] == [
        ("stdlib", "card 4711", 1),
        ("__main__", "card 4711", 1),
        ("api", "card 4711", 1),
    ]
    assert {one["trace"] for one in found} == {int(server.spans()[0].trace_id.hex(), 16)}
    assert len(posted(server, "/bye/logs")) == 1
    assert len(server.log_records()) == 3


def test_lines_of_ours_are_told_too(run: Run, server: OtlpServer) -> None:
    """The access line, which the pipeline derives from the request's span, goes by the processors as others do."""
    request = "trace.get_tracer('otel_distro.asgi').start_span('GET /', kind=trace.SpanKind.SERVER).end()"
    run(APP + f"provider.add_log_record_processor(SimpleLogRecordProcessor(vendor.LogExporter())); {request}")
    assert [one["body"] for batch in posted(server, "/logs") for one in batch] == ["request_completed"]


@pytest.mark.parametrize("processor", ["SimpleLogRecordProcessor", "BatchLogRecordProcessor"])
def test_a_console_exporter_added_by_the_app_prints(run: Run, processor: str) -> None:
    """Upstream's, each record once."""
    done = run(APP + f"provider.add_log_record_processor({processor}(ConsoleLogRecordExporter())); work()")
    assert done.out.count('"body": "card 4711"') == 3


def test_an_exporter_named_by_the_environment(run: Run, server: OtlpServer) -> None:
    """By its entry point, beside ours; it is flushed and shut down at the end."""
    run(APP + "work()", OTEL_LOGS_EXPORTER="vendor,otlp")
    assert [one["logger"] for batch in posted(server, "/logs") for one in batch] == ["stdlib", "__main__", "api"]
    assert len(server.log_records()) == 3
    assert len(posted(server, "/bye/logs")) == 1


def test_a_processor_that_fails_costs_nothing_else(run: Run, server: OtlpServer) -> None:
    """The app goes on, the lines leave, the failure is told once."""
    broken = """
class Broken(vendor.Masking):
    def on_emit(self, log_record):
        raise RuntimeError("broken")
provider.add_log_record_processor(Broken())
logging.getLogger("app").warning("one")
logging.getLogger("app").warning("two")
"""
    outcome = run(APP + broken)
    assert {"one", "two"} <= {record.body.string_value for record in server.log_records()}
    assert len(outcome.about("telemetry failed in logs.Broken")) == 1
