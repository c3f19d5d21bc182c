"""The OTLP exporter: batches of a bounded size, nothing sent for nothing."""

from __future__ import annotations

from time import monotonic

from otel_distro.exporter.otlp import OtlpExporter
from otel_distro.exporter.sender import Sender
from otel_distro.record import LogRecord
from tests.exporter.requests import RESOURCE, Kept, decoded


def exporter(transport: Kept) -> OtlpExporter:
    """An exporter of logs over this transport."""
    return OtlpExporter(Sender("logs", transport, 1 << 30, 10), lambda: RESOURCE)


def test_an_empty_batch_is_not_sent() -> None:
    """Sealing twice sends once."""
    transport = Kept()
    made = exporter(transport)
    made.seal()
    made.add([LogRecord(1, 9, "INFO", "scope", "body")])
    made.seal()
    made.seal()
    assert made.flush(monotonic() + 10)
    assert len(transport.payloads) == 1
    made.shutdown(monotonic() + 1)


def test_a_batch_of_large_records_is_divided() -> None:
    """No request grows beyond what receivers take, and none of the records is lost."""
    transport = Kept()
    made = exporter(transport)
    for _ in range(300):
        made.add([LogRecord(1, 9, "INFO", "scope", "x" * 32_000)])
    made.seal()
    assert made.flush(monotonic() + 10)
    assert max(map(len, transport.payloads)) < 3 * 1024 * 1024
    requests = [decoded("logs", payload) for payload in transport.payloads]
    assert sum(len(request.resource_logs[0].scope_logs[0].log_records) for request in requests) == 300
    made.shutdown(monotonic() + 1)


def test_a_reset_forgets_the_open_batch() -> None:
    """A forked child does not send what its parent will."""
    transport = Kept()
    made = exporter(transport)
    made.add([LogRecord(1, 9, "INFO", "scope", "body")])
    made.reset()
    made.seal()
    assert made.flush(monotonic() + 1)
    assert (transport.payloads, transport.counts["reset"]) == ([], 1)
