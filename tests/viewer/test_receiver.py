"""What the receiver takes, what it refuses, and that it survives both."""

from __future__ import annotations

import contextlib
import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.rpc.status_pb2 import Status
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otel_distro.viewer.decode import JSON, MAX_BODY_BYTES, PROTOBUF, BodyError, decode, inflate
from otel_distro.viewer.query import LogFilter
from otel_distro.viewer.receiver import FLATTEN, receiver
from otel_distro.viewer.store import Store
from otel_distro.viewer.writer import MAX_BATCHES, Writer
from tests.viewer.client import TRACE, Client, attributes, envelope, log, span

ONE_SPAN = decode("traces", json.dumps(envelope("traces", [span(1)])).encode(), JSON, "").SerializeToString()
HEADERS = {"content-type": PROTOBUF}


def test_json_and_protobuf_tell_the_same(viewer: Client) -> None:
    """A span sent as JSON is stored as the same span sent as protobuf, and sending it again adds nothing."""
    viewer.send("traces", span(1, request_id="r"))
    answer = viewer.http.post("/v1/traces", content=ONE_SPAN, headers=HEADERS)
    assert (answer.status_code, answer.headers["content-type"]) == (200, PROTOBUF)
    with viewer.stored() as query:
        trace = query.trace(TRACE)
        assert trace is not None
        assert [(one.name, one.start_ns, one.service) for one in trace.spans] == [("span 1", 10**9, "shop")]


def test_gzip(viewer: Client) -> None:
    """A compressed body is inflated, also when it comes in two members."""
    body = gzip.compress(ONE_SPAN[:20]) + gzip.compress(ONE_SPAN[20:])
    answer = viewer.http.post("/v1/traces", content=body, headers=HEADERS | {"content-encoding": "gzip"})
    assert answer.status_code == 200
    assert viewer.stored().counts().spans == 1


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"\xff\xff", {}, 400),
        (b"not gzip", {"content-encoding": "gzip"}, 400),
        (gzip.compress(ONE_SPAN)[:-9], {"content-encoding": "gzip"}, 400),
        (gzip.compress(b"") * 100, {"content-encoding": "gzip"}, 400),
        (gzip.compress(bytes(MAX_BODY_BYTES + 1)), {"content-encoding": "gzip"}, 413),
        (bytes(MAX_BODY_BYTES + 1), {}, 413),
        (ONE_SPAN, {"content-encoding": "br"}, 415),
        (ONE_SPAN, {"content-type": "text/plain"}, 415),
        (ONE_SPAN, {"content-type": "application/x-www-form-urlencoded"}, 415),
        (b"{", {"content-type": JSON}, 400),
        (b"[]", {"content-type": JSON}, 400),
        (b'{"resourceSpans": 7}', {"content-type": JSON}, 400),
        (b"[" * 200_000, {"content-type": JSON}, 400),
        (json.dumps(envelope("traces", [span(1, trace="xyz")])).encode(), {"content-type": JSON}, 400),
        (json.dumps(envelope("traces", [span(1, name="\ud800")])).encode(), {"content-type": JSON}, 400),
    ],
)
def test_bad_bodies_are_refused(viewer: Client, body: bytes, headers: dict[str, str], status: int) -> None:
    """Each bad body gets its status, and the next good one is stored."""
    answer = viewer.http.post("/v1/traces", content=body, headers=HEADERS | headers)
    assert answer.status_code == status, answer.text
    viewer.send("traces", span(1))
    assert viewer.stored().counts().spans == 1


def test_a_body_without_length_is_capped(viewer: Client) -> None:
    """A chunked body is refused once it is too large."""
    chunks = (bytes(1024 * 1024) for _ in range(17))
    assert viewer.http.post("/v1/logs", content=chunks, headers=HEADERS).status_code == 413


def test_inflating_stops_at_its_limit() -> None:
    """What inflates to exactly the limit passes, one byte more does not."""
    assert inflate(gzip.compress(b"12345"), 5, 31) == b"12345"
    with pytest.raises(BodyError, match="larger than 4"):
        inflate(gzip.compress(b"12345"), 4, 31)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "localhost:4319"}, 200),
        ({"host": "LocalHost"}, 200),
        ({"host": "[::1]:4319"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "localhost.evil.example"}, 403),
        ({"host": "127.0.0.1@evil.example"}, 403),
        ({"host": "localhost:port"}, 403),
        ({"host": ""}, 403),
        ({"host": "localhost:4319", "origin": "http://localhost:4319"}, 200),
        ({"host": "localhost:4319", "origin": "http://localhost:8000"}, 403),
        ({"host": "localhost:4319", "origin": "https://evil.example"}, 403),
        ({"host": "localhost:4319", "origin": "null"}, 403),
    ],
)
def test_only_loopback_names_and_the_same_origin(viewer: Client, headers: dict[str, str], status: int) -> None:
    """A page that rebinds its name, or posts across origins, is refused."""
    assert viewer.http.post("/v1/traces", content=ONE_SPAN, headers=HEADERS | headers).status_code == status


def test_other_routes_are_closed(viewer: Client) -> None:
    """There is nothing but the three POST routes, and Host is checked on what is not there too."""
    assert viewer.http.get("/v1/traces").status_code == 405
    assert viewer.http.post("/v1/profiles", content=b"", headers=HEADERS).status_code == 404
    assert viewer.http.get("/", headers={"host": "evil.example"}).status_code == 403


def test_it_listens_on_loopback_only(viewer: Client) -> None:
    """The socket is bound to 127.0.0.1."""
    assert viewer.server.endpoint.startswith("http://127.0.0.1:")


def test_spans_without_ids_are_rejected_and_counted(viewer: Client) -> None:
    """The good spans of a request are stored; the answer and the store say how many were not."""
    body = envelope("traces", [span(1), span(0), span(2, trace="00" * 16), span(3, trace="0a")])
    assert viewer.http.post("/v1/traces", json=body).json()["partialSuccess"]["rejectedSpans"] == "3"
    counts = viewer.stored().counts()
    assert (counts.spans, counts.dropped) == (1, {"invalid_ids": 3})


async def test_a_full_queue_asks_to_retry(tmp_path: Path) -> None:
    """Beyond the queue's size the answer is 503 with Retry-After; once written, there is room again."""
    writer = Writer(Store(tmp_path / "viewer.db"))
    transport = httpx.ASGITransport(receiver(writer))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=HEADERS) as client:
        answers = [await client.post("/v1/traces", content=ONE_SPAN) for _ in range(MAX_BATCHES + 1)]
    assert [answer.status_code for answer in answers] == [200] * MAX_BATCHES + [503]
    assert answers[-1].headers["retry-after"] == "1"
    writer.start()
    writer.stop()


def test_an_error_is_a_status_message(viewer: Client) -> None:
    """An error's body is google.rpc.Status in the request's encoding."""
    answer = viewer.http.post("/v1/traces", content=b"\xff", headers=HEADERS)
    assert "OTLP" in Status.FromString(answer.content).message
    answer = viewer.http.post("/v1/traces", content=b"{", headers={"content-type": JSON})
    assert "OTLP" in answer.json()["message"]


def test_an_empty_request_is_fine(viewer: Client) -> None:
    """An exporter may send nothing."""
    answer = viewer.http.post("/v1/logs", content=b"", headers=HEADERS)
    assert (answer.status_code, answer.content) == (200, b"")
    ExportTraceServiceResponse.FromString(answer.content)


def test_odd_values_are_kept(viewer: Client) -> None:
    """NaN, bytes, nested and long values, and a body that is a map, are stored as JSON."""
    odd: dict[str, Any] = {
        "nan": {"doubleValue": "NaN"},
        "bytes": {"bytesValue": "AAE="},
        "list": {"arrayValue": {"values": [{"intValue": "7"}, {}]}},
        "map": {"kvlistValue": {"values": attributes({"a": "b"})}},
        "long": "x" * 40_000,
        "nul": "a\x00b",
    }
    viewer.send("logs", log(1, "odd", **odd) | {"body": {"kvlistValue": {"values": attributes({"k": "v"})}}})
    (found,) = viewer.stored().logs(LogFilter())
    long = found.attributes.pop("long")
    assert len(long) == 32 * 1024
    assert found.attributes == {
        "nan": "nan",
        "bytes": "AAE=",
        "list": [7, None],
        "map": {"a": "b"},
        "nul": "a\x00b",
    }
    assert found.body == '{"k":"v"}'


KEYS = [
    "resourceSpans",
    "scopeSpans",
    "spans",
    "traceId",
    "spanId",
    "attributes",
    "key",
    "value",
    "intValue",
    "logRecords",
]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(KEYS), inner, max_size=4),
)


@settings(max_examples=200)
@given(st.sampled_from(sorted(FLATTEN)), JSON_VALUES, st.binary(max_size=64))
def test_no_body_breaks_the_decoder(signal: str, document: object, noise: bytes) -> None:
    """Whatever a body holds, it is decoded or refused by BodyError."""
    bodies = ((json.dumps(document).encode(), JSON), (noise, PROTOBUF), (ONE_SPAN + noise, PROTOBUF))
    for body, content_type in bodies:
        with contextlib.suppress(BodyError):
            FLATTEN[signal](decode(signal, body, content_type, ""))
