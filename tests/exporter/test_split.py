"""Requests cut in pieces: nothing lost but what is too large by itself, nothing changed, the order kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_distro.exporter.split import SplittingTransport, halves
from otel_distro.exporter.transport import Answer, Result

SHAPES = st.lists(st.lists(st.lists(st.integers(0, 4), max_size=3), max_size=3), max_size=3)
"""By resource and scope: how many items; of metrics: how many points each metric has."""
KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")


def request(signal: str, shape: list[list[list[int]]], size: int = 0) -> Any:
    """An export request of that shape; every item has a number of its own, and so many bytes besides."""
    made = {"traces": ExportTraceServiceRequest, "logs": ExportLogsServiceRequest}.get(
        signal, ExportMetricsServiceRequest
    )()
    number = iter(range(1, 10_000))
    for resource, scopes in enumerate(shape):
        entry = (made.resource_spans if signal == "traces" else getattr(made, f"resource_{signal}")).add()
        entry.resource.attributes.add(key="resource").value.int_value = resource
        entry.schema_url = f"https://schema.example/{resource}"
        for scope, counts in enumerate(scopes):
            inner = (entry.scope_spans if signal == "traces" else getattr(entry, f"scope_{signal}")).add()
            inner.scope.name = f"scope {scope}"
            for count in counts:
                _fill(signal, inner, count, number, size)
    return made


def _fill(signal: str, scope: Any, count: int, number: Any, size: int) -> None:
    if signal == "metrics":
        metric = scope.metrics.add(name=f"metric {next(number)}", unit="s")
        data = getattr(metric, KINDS[count % len(KINDS)])
        if hasattr(data, "aggregation_temporality"):
            data.aggregation_temporality = 2
        for _ in range(count):
            data.data_points.add(start_time_unix_nano=next(number))
        return
    for _ in range(count):
        if signal == "traces":
            scope.spans.add(name="x" * size, start_time_unix_nano=next(number))
        else:
            scope.log_records.add(severity_text="x" * size, time_unix_nano=next(number))


def items(signal: str, sent: Any) -> list[tuple[str, ...]]:
    """Each item with all that it is in, as text."""
    found = []
    for entry in sent.resource_spans if signal == "traces" else getattr(sent, f"resource_{signal}"):
        for scope in entry.scope_spans if signal == "traces" else getattr(entry, f"scope_{signal}"):
            around = (str(entry.resource), entry.schema_url, str(scope.scope))
            if signal == "metrics":
                for metric in scope.metrics:
                    data = getattr(metric, metric.WhichOneof("data") or "gauge")
                    kept = (metric.name, metric.unit, str(getattr(data, "aggregation_temporality", "")))
                    found += [(*around, *kept, str(point)) for point in data.data_points]
            else:
                found += [(*around, str(one)) for one in (scope.spans if signal == "traces" else scope.log_records)]
    return found


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
@given(shape=SHAPES)
def test_two_halves_are_the_whole(signal: str, shape: list[list[list[int]]]) -> None:
    """The items of both, in their order and in all that they were in, are the items of the request."""
    whole = request(signal, shape)
    parts = halves(whole.SerializeToString(), signal)
    if parts is None:
        assert len(items(signal, whole)) < 2
        return
    decoded = [items(signal, type(whole).FromString(part.payload)) for part in parts]
    assert [len(one) for one in decoded] == [part.items for part in parts]
    assert decoded[0] + decoded[1] == items(signal, whole)
    assert abs(parts[0].items - parts[1].items) <= 1


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
@given(shape=SHAPES)
def test_halves_of_halves_end_with_single_items(signal: str, shape: list[list[list[int]]]) -> None:
    """However often it is asked for: each request has fewer items, and none is empty."""
    whole = request(signal, shape)
    waiting, single = [whole.SerializeToString()], []
    while waiting:
        payload = waiting.pop(0)
        parts = halves(payload, signal)
        if parts is None:
            single += items(signal, type(whole).FromString(payload))
        else:
            waiting = [part.payload for part in parts] + waiting
    assert single == items(signal, whole)


def test_halves_are_smaller() -> None:
    """Of items of equal size each half has about half the bytes."""
    payload = request("traces", [[[100]]], size=1000).SerializeToString()
    parts = halves(payload, "traces")
    assert parts is not None
    assert all(len(part.payload) < 0.51 * len(payload) for part in parts)


def test_what_is_unknown_stays() -> None:
    """Fields of a later protocol go with both halves."""
    whole = request("traces", [[[2]]]).SerializeToString() + b"\x7a\x03new"
    parts = halves(whole, "traces")
    assert parts is not None
    assert [part.payload[-5:] for part in parts] == [b"\x7a\x03new"] * 2


@given(st.binary(max_size=200))
def test_what_is_no_message_is_said_to_be_none(payload: bytes) -> None:
    """Any other bytes raise ValueError or are cut; nothing else happens."""
    try:
        parts = halves(payload, "metrics")
    except ValueError:
        return
    assert parts is None or parts[0].items + parts[1].items >= 2


class Limited:
    """A transport that takes requests up to a size, and now and then is busy."""

    def __init__(self, limit: int, *, busy_every: int = 0) -> None:
        self.limit = limit
        self.asked = 0
        self.taken: list[bytes] = []
        self._busy_every = busy_every

    def send(self, payload: bytes, timeout: float) -> Answer:
        """Take it, or not."""
        assert timeout > 0
        self.asked += 1
        if self._busy_every and self.asked % self._busy_every == 0:
            return Answer(Result.RETRY, 7, "busy")
        if len(payload) > self.limit:
            return Answer(Result.TOO_LARGE, reason="too large")
        self.taken.append(payload)
        return Answer(Result.SUCCESS)

    def reset(self) -> None:
        """A forked child's."""

    def close(self) -> None:
        """Nothing is open."""


def spans(*payloads: bytes) -> list[int]:
    """The numbers of the spans in these requests."""
    decoded = [ExportTraceServiceRequest.FromString(payload) for payload in payloads]
    return [
        span.start_time_unix_nano
        for one in decoded
        for entry in one.resource_spans
        for scope in entry.scope_spans
        for span in scope.spans
    ]


def with_giants(count: int, giants: set[int]) -> bytes:
    """A request of spans 1 to count, some of which are large."""
    whole = request("traces", [[[count]]], size=10)
    for span in whole.resource_spans[0].scope_spans[0].spans:
        if span.start_time_unix_nano in giants:
            span.name = "x" * 10_000
    return whole.SerializeToString()


def test_what_fits_is_sent_as_it_is() -> None:
    """Once, untouched."""
    inner = Limited(10_000)
    payload = with_giants(10, set())
    assert SplittingTransport(inner, "traces").send(payload, 5) == Answer(Result.SUCCESS)
    assert inner.taken == [payload]


@given(count=st.integers(1, 300), giant=st.integers(1, 300), busy_every=st.sampled_from([0, 2, 3]))
def test_only_the_giant_is_lost(count: int, giant: int, busy_every: int) -> None:
    """All other items arrive once and in order, whatever the server is busy with in between."""
    inner = Limited(5_000, busy_every=busy_every)
    sending = SplittingTransport(inner, "traces")
    payload = with_giants(count, {giant})
    answer = Answer(Result.RETRY)
    for _ in range(100):
        answer = sending.send(payload, 5)
        if answer.result is not Result.RETRY:
            break
    lost = int(giant <= count)
    assert spans(*inner.taken) == [number for number in range(1, count + 1) if number != giant]
    assert answer.lost == ({"too_large": 1} if lost else {})
    assert answer.result is (Result.FAILURE if lost and count == 1 else Result.SUCCESS)


def test_a_server_that_takes_nothing_is_asked_a_bounded_number_of_times() -> None:
    """Then the batch is refused, and all of it is counted."""
    inner = Limited(0)
    answer = SplittingTransport(inner, "traces").send(with_giants(2000, set()), 5)
    assert answer == Answer(Result.FAILURE, reason="too large", lost={"too_large": 2000})
    assert inner.asked < 40


def test_what_else_is_refused_of_a_piece_is_counted_too() -> None:
    """Pieces answered by 400, and items that a piece's answer rejects."""
    answers = [
        Answer(Result.TOO_LARGE, reason="too large"),
        Answer(Result.FAILURE, reason="no"),
        Answer(Result.SUCCESS, reason="old", lost={"rejected": 2}),
    ]
    inner = Limited(0)
    inner.send = lambda payload, timeout: answers.pop(0)  # type: ignore[method-assign]
    answer = SplittingTransport(inner, "traces").send(with_giants(9, set()), 5)
    assert answer == Answer(Result.SUCCESS, reason="too large", lost={"refused": 4, "rejected": 2})


def test_pieces_have_one_timeout_together() -> None:
    """What is not sent by then is sent at the next try, and only that."""
    inner = Limited(5_000)
    slow = Answer(Result.RETRY, reason="timed out")
    sending = SplittingTransport(inner, "traces")
    payload = with_giants(300, set())
    take = inner.send

    def once(payload: bytes, timeout: float) -> Answer:
        return slow if inner.taken else take(payload, timeout)

    inner.send = once  # type: ignore[method-assign]
    assert sending.send(payload, 5) == slow
    inner.send = take  # type: ignore[method-assign]
    assert sending.send(payload, 5) == Answer(Result.SUCCESS)
    assert spans(*inner.taken) == list(range(1, 301))
