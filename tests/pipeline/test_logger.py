"""What comes by the OpenTelemetry logs API is a record like any other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry._logs import LogRecord as ApiRecord
from opentelemetry._logs import SeverityNumber
from opentelemetry.trace import set_span_in_context

from otel_distro.context.work import CURRENT, Work
from otel_distro.record import HANDOVER, LogRecord
from tests.pipeline.observed import Observed


@pytest.fixture(autouse=True)
def _taken(observed: Observed) -> Iterator[None]:
    before, HANDOVER.sink = HANDOVER.sink, observed.worker
    yield
    HANDOVER.sink = before


def emit(observed: Observed, **fields: Any) -> LogRecord:
    """The record that leaves for an emitted one."""
    observed.pipeline.logger_provider.get_logger("app").emit(ApiRecord(**fields))
    return observed.logs()[-1]


def test_every_field_arrives(observed: Observed) -> None:
    """Time, severity, body, attributes, event name, and scope."""
    record = emit(
        observed,
        timestamp=17,
        severity_number=SeverityNumber.WARN,
        severity_text="WARN",
        body="body",
        attributes={"a": 1, "b": ["c"]},
        event_name="app.event",
    )
    assert (record.time_unix_nano, record.severity_number, record.severity_text) == (17, 13, "WARN")
    assert (record.body, record.scope, record.event_name) == ("body", "app", "app.event")
    assert record.attributes == {"a": 1, "b": ("c",)}


def test_it_is_in_its_span_and_its_request(observed: Observed) -> None:
    """The ids of the given context, and the fields of the work in hand."""
    token = CURRENT.set(Work({"request_id": "r1"}))
    span = observed.start("/a")
    record = emit(observed, context=set_span_in_context(span), body="body")
    CURRENT.reset(token)
    assert (record.trace_id, record.span_id, record.trace_flags & 1) == (span.trace_id, span.span_id, 1)
    assert dict(record.fields or {}) == {"request_id": "r1"}


@pytest.mark.parametrize("body", [{"a": [1, object()]}, [1, 2], 5, b"bytes", None, "x" * 1_000_000])
def test_a_body_of_any_type_is_bounded_text(observed: Observed, body: Any) -> None:
    """Nothing of the app's objects crosses to the pipeline."""
    record = emit(observed, body=body)
    assert type(record.body) is str
    assert len(record.body) <= 32768


def test_attributes_are_copied(observed: Observed) -> None:
    """A later change of a list is not in the record."""
    values = ["a"]
    observed.pipeline.logger_provider.get_logger("app").emit(ApiRecord(body="body", attributes={"list": values}))
    values.append("b")
    assert (observed.logs()[-1].attributes or {})["list"] == ("a",)


def test_a_line_is_written_too(observed: Observed) -> None:
    """The console shows it as it shows the app's other lines."""
    emit(observed, body="body", severity_number=SeverityNumber.INFO)
    assert [record.body for record in observed.lines] == ["body"]
