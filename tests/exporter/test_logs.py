"""Log records on the wire are what upstream's encoder would send, and never broken."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs

from otel_distro.exporter.foreign import readable_log
from otel_distro.record import LogRecord
from tests.exporter.requests import RESOURCE, attributes, exported
from tests.exporter.values import ATTRIBUTES, IDS, NANOS, TEXT

RECORDS = st.builds(
    lambda *required, ids, **more: LogRecord(*required, **more, trace_id=ids[0], span_id=ids[1]),
    NANOS,
    st.integers(1, 24),
    TEXT,
    TEXT,
    TEXT,
    attributes=st.none() | ATTRIBUTES,
    fields=st.none() | st.dictionaries(TEXT.filter(bool), TEXT, max_size=3),
    trace_flags=st.integers(0, 255),
    event_name=st.none() | TEXT,
    ids=IDS | st.just((0, 0)),
)


def normal(request: Any) -> Any:
    """A request in which the order of attributes does not matter, nor flags without a trace."""
    for scope in request.resource_logs[0].scope_logs:
        for record in scope.log_records:
            record.attributes.sort(key=lambda pair: pair.key)
            if not record.trace_id:
                record.flags = 0
    return request


@given(st.lists(RECORDS, min_size=1, max_size=4))
def test_a_log_record_is_what_upstream_would_send(records: list[LogRecord]) -> None:
    """Every field decodes to the same as from upstream's encoder, when no attribute is called as a context field."""
    for record in records:
        kept = (record.attributes or {}).items()
        record.attributes = {key: value for key, value in kept if key not in (record.fields or {})}
    theirs = encode_logs([readable_log(record, RESOURCE) for record in records])
    assert normal(exported("logs", records)) == normal(theirs)


def test_what_no_protocol_can_carry_is_replaced() -> None:
    """A lone surrogate becomes a question mark; the rest of the record is as it was."""
    record = LogRecord(1, 9, "INFO", "scope", "a\ud800b", attributes={"k\udfff": "\ud800"}, event_name="e\ud800")
    (scope,) = exported("logs", [record]).resource_logs[0].scope_logs
    (sent,) = scope.log_records
    assert (sent.body.string_value, sent.event_name, attributes(sent.attributes)) == ("a?b", "e?", {"k?": "?"})


def test_resource_and_schema_are_sent_once() -> None:
    """A request has one resource, however many scopes are in it."""
    records = [LogRecord(1, 9, "INFO", scope, "body") for scope in ("a", "b", "a")]
    request = exported("logs", records)
    assert [entry.schema_url for entry in request.resource_logs] == [RESOURCE.schema_url]
    assert attributes(request.resource_logs[0].resource.attributes) == {
        "service.name": "test",
        "process.pid": 7,
        "list": ["a", "b"],
    }
