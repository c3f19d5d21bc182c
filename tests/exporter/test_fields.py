"""Protobuf read back: fields where they are, and what receivers say; any other bytes say nothing and raise nothing."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint

from otel_distro.exporter.fields import Partial, fields, partial_success, retry_delay, status_message


def test_fields_are_where_they_are() -> None:
    """Of each kind: numbers, fixed ones of 4 and 8 bytes, texts and messages; together they are the whole message."""
    point = HistogramDataPoint(start_time_unix_nano=7, count=300, sum=1.5, explicit_bounds=[1, 2], flags=300)
    message = point.SerializeToString()
    found = list(fields(message))
    assert {one.number for one in found} == {field.number for field, _ in point.ListFields()}
    assert b"".join(message[one.tag : one.end] for one in found) == message
    assert [one.value for one in found if one.number == 10] == [300]


CUT_OFF = [b"\x0a", b"\x0a\x05abc", b"\x08", b"\x0d\x00"]
WITHOUT_END = [b"\x08" + b"\xff" * 10, b"\xff" * 99]
NO_FIELD = [b"\x0b", b"\x00\x00"]


@pytest.mark.parametrize("message", [*CUT_OFF, *WITHOUT_END, *NO_FIELD])
def test_what_is_no_message_raises(message: bytes) -> None:
    """Cut off, without end, of a kind that is none, or without a number."""
    with pytest.raises(ValueError, match=r"field|number"):
        list(fields(message))


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.text(max_size=50))
def test_a_partial_success_is_read(rejected: int, words: str) -> None:
    """As OpenTelemetry's own classes write it; fewer than none is none."""
    message = ExportMetricsServiceResponse()
    message.partial_success.rejected_data_points = rejected
    message.partial_success.error_message = words
    assert partial_success(message.SerializeToString()) == Partial(max(0, rejected), words)


@given(st.integers(-1000, 1000), st.integers(0, 999_999_999), st.text(max_size=50))
def test_a_status_is_read(seconds: int, nanos: int, words: str) -> None:
    """Its words, and how long it asks to wait."""
    status = Status(code=8, message=words)
    status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos)))
    found = retry_delay(status.SerializeToString())
    assert found == pytest.approx(seconds + nanos / 1e9 if seconds >= 0 else 0)
    assert status_message(status.SerializeToString()) == words


@given(st.binary(max_size=300))
def test_nonsense_says_nothing(answer: bytes) -> None:
    """No bytes raise."""
    assert partial_success(answer).rejected >= 0
    assert (retry_delay(answer) or 0) >= 0
    status_message(answer)
