"""Under `opentelemetry-instrument` the standard variables do what they say, and no value of them stops the app."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import propagate

from otel_distro import config
from otel_distro.assembly import set_propagators
from tests.exporter.grpc_server import GrpcServer
from tests.exporter.requests import attributes
from tests.exporter.server import OtlpServer, Reply
from tests.instrumented import NOTHING, SCRIPT, Outcome, instrumented

pytestmark = pytest.mark.integration

OTLP_TRACES = NOTHING | {"OTEL_TRACES_EXPORTER": "otlp"}


@pytest.fixture
def server() -> Iterator[OtlpServer]:
    """A collector on a free port."""
    with OtlpServer().running() as running:
        yield running


def resource(server: OtlpServer, signal: str = "traces") -> dict[str, Any]:
    """The resource that came with a signal."""
    return attributes(server.scopes(signal)[0][0].attributes)


def traced(server: OtlpServer, **more: str) -> Outcome:
    """The script with traces to the server and nothing else exported."""
    return instrumented(SCRIPT, None, **(OTLP_TRACES | {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url} | more))


def only(**more: str) -> Outcome:
    """The script with nothing exported but what these variables ask for."""
    return instrumented(SCRIPT, None, **more)


# -- exporters


def test_by_default_all_signals_go_to_the_endpoint(server: OtlpServer) -> None:
    """Spans, log records and metrics, correlated; nothing is printed but the app's own."""
    outcome = instrumented(SCRIPT, server)
    assert outcome.fine
    assert outcome.err == ""
    assert len(outcome.lines) == 2
    assert {one.path for one in server.received} == {"/v1/traces", "/v1/logs", "/v1/metrics"}
    inner, outer = server.spans()
    (record,) = server.log_records()
    assert (inner.name, outer.name, inner.parent_span_id) == ("inner", "outer", outer.span_id)
    assert (record.trace_id, record.span_id, record.body.string_value) == (
        inner.trace_id,
        inner.span_id,
        "the app's line",
    )
    (orders,) = server.metrics("orders")
    assert [point.as_int for point in orders.sum.data_points] == [0, 2]
    ids = {resource(server, signal)["service.instance.id"] for signal in ("traces", "logs", "metrics")}
    assert len(ids) == 1


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_one_signal_can_be_switched_off(server: OtlpServer, signal: str) -> None:
    """`none` is for that signal only."""
    assert instrumented(SCRIPT, server, **{f"OTEL_{signal.upper()}_EXPORTER": "none"}).fine
    assert {one.path for one in server.received} == {
        f"/v1/{other}" for other in ("traces", "metrics", "logs") if other != signal
    }


@pytest.mark.parametrize(
    ("signal", "shown"),
    [("TRACES", '"name": "outer"'), ("METRICS", '"name": "orders"'), ("LOGS", '"body": "the app\'s line"')],
)
def test_console_exporters_print(signal: str, shown: str) -> None:
    """Upstream's, with what our pipeline gives them."""
    outcome = only(**{f"OTEL_{signal}_EXPORTER": "console"})
    assert outcome.fine
    assert shown in outcome.out


def test_several_exporters_of_one_signal(server: OtlpServer) -> None:
    """Console and OTLP at once."""
    outcome = traced(server, OTEL_TRACES_EXPORTER="console,otlp")
    assert '"name": "outer"' in outcome.out
    assert [span.name for span in server.spans()] == ["inner", "outer"]


@pytest.mark.parametrize("signal", ["TRACES", "METRICS", "LOGS"])
def test_an_unknown_exporter_is_one_line(server: OtlpServer, signal: str) -> None:
    """It names the setting; the other signals leave."""
    outcome = instrumented(SCRIPT, server, **{f"OTEL_{signal}_EXPORTER": "pigeon"})
    assert outcome.fine
    assert len(outcome.about("pigeon")) == 1
    assert outcome.about(f"OTEL_{signal}_EXPORTER")
    assert len({one.path for one in server.received}) == 2


def test_by_grpc_all_signals_go_to_the_endpoint() -> None:
    """The protocol's variable picks our own transport; upstream's gRPC library is not loaded."""
    script = f"{SCRIPT}\nimport sys; print(sorted(sys.modules.keys() & {{'grpc', 'h2'}}))"
    with GrpcServer().running() as server:
        outcome = instrumented(script, server, OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
        assert outcome.fine
        assert outcome.err == ""
        assert outcome.about("['h2']")
        assert [span.name for span in server.spans()] == ["inner", "outer"]
        assert [record.body.string_value for record in server.log_records()] == ["the app's line"]
        assert [point.as_int for point in server.metrics("orders")[0].sum.data_points] == [0, 2]


def test_one_signal_can_go_by_grpc(server: OtlpServer) -> None:
    """To host:port of its own, insecure where that is said; the others stay with HTTP."""
    with GrpcServer().running() as other:
        more = {"PROTOCOL": "grpc", "ENDPOINT": other.url.removeprefix("http://"), "INSECURE": "true"}
        outcome = instrumented(
            SCRIPT, server, **{f"OTEL_EXPORTER_OTLP_TRACES_{name}": value for name, value in more.items()}
        )
        assert outcome.fine
        assert [span.name for span in other.spans()] == ["inner", "outer"]
        assert {one.path for one in server.received} == {"/v1/logs", "/v1/metrics"}


def test_grpc_without_the_extra_is_upstream_s() -> None:
    """One line names the extra; upstream's exporter is used where it is, and complains in its own words."""
    start = "import sys; sys.modules['h2'] = None\nfrom opentelemetry.instrumentation import auto_instrumentation"
    grpc = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    more = {"OTEL_EXPORTER_OTLP_TIMEOUT": "1", "OTEL_DISTRO_SHUTDOWN_TIMEOUT": "1"}
    outcome = instrumented(
        f"{start}\nauto_instrumentation.initialize()\n{SCRIPT}", command=False, **OTLP_TRACES, **grpc, **more
    )
    assert outcome.fine
    assert len(outcome.about("otel-distro[grpc]")) == 1
    assert outcome.about("to 127.0.0.1:9")


# -- where and how


def test_signals_have_endpoints_of_their_own(server: OtlpServer) -> None:
    """Used as they are; the others go to the general one."""
    with OtlpServer().running() as other:
        assert instrumented(SCRIPT, server, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{other.url}/in/put").fine
        assert {one.path for one in other.received} == {"/in/put"}
        assert {one.path for one in server.received} == {"/v1/logs", "/v1/metrics"}


@pytest.mark.parametrize("endpoint", ["localhost:4318", "ftp://host", "http://", "nonsense"])
def test_an_endpoint_that_is_none_is_one_line(endpoint: str) -> None:
    """It names the setting, and the default is used."""
    outcome = only(**OTLP_TRACES, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert outcome.fine
    assert len([line for line in outcome.about("OTEL_EXPORTER_OTLP_ENDPOINT=") if "is ignored" in line]) == 1


def test_a_collector_that_is_not_there_is_one_line() -> None:
    """For all signals; the app ends as soon as its own work and the shutdown timeout allow."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        outcome = only(**OTLP_TRACES, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert outcome.fine
    assert len(outcome.about("can't be delivered")) == 1
    assert outcome.about("OTEL_EXPORTER_OTLP_ENDPOINT")


def test_headers_and_compression(server: OtlpServer) -> None:
    """General ones, and those of one signal in their place."""
    more = {
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20x,tenant=a",
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "tenant=b",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_EXPORTER_OTLP_LOGS_COMPRESSION": "none",
    }
    assert instrumented(SCRIPT, server, **more).fine
    got = {one.path: one.headers for one in server.received}
    assert (got["/v1/traces"]["authorization"], got["/v1/traces"]["tenant"]) == ("Bearer x", "a")
    assert (got["/v1/traces"]["content-encoding"], got["/v1/metrics"]["content-encoding"]) == ("gzip", "gzip")
    assert (
        got["/v1/logs"]["tenant"],
        got["/v1/logs"].get("authorization"),
        got["/v1/logs"].get("content-encoding"),
    ) == ("b", None, None)
    assert len(server.spans()) == 2


@pytest.mark.parametrize("headers", ["secret", "a=hunter2%0d%0aInjected: 1", "a b=hunter2"])
def test_headers_that_are_none_are_one_line_without_their_value(server: OtlpServer, headers: str) -> None:
    """The value may be a secret; spans leave without it."""
    outcome = traced(server, OTEL_EXPORTER_OTLP_HEADERS=headers)
    assert outcome.fine
    assert len(outcome.about("OTEL_EXPORTER_OTLP_HEADERS")) == 1
    assert not outcome.about("hunter2")
    assert len(server.spans()) == 2


def test_a_certificate_that_is_not_there_is_one_line() -> None:
    """Nothing is sent without the trust that was asked for."""
    outcome = only(
        **OTLP_TRACES, OTEL_EXPORTER_OTLP_ENDPOINT="https://127.0.0.1:1", OTEL_EXPORTER_OTLP_CERTIFICATE="/nope.pem"
    )
    assert outcome.fine
    assert len(outcome.about("OTEL_EXPORTER_OTLP_CERTIFICATE")) == 1


def test_a_refusing_collector_is_one_line(server: OtlpServer) -> None:
    """With what it said."""
    server.replies = [Reply(401, body=b"who are you")]
    outcome = traced(server)
    assert outcome.fine
    assert len(outcome.about("answered 401 who are you")) == 1


# -- resource, sampler, propagators, limits


def test_the_resource_is_the_environment_s(server: OtlpServer) -> None:
    """Service name, attributes, and who we are."""
    more = {
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test,service.version=1.2",
    }
    traced(server, **more)
    found = resource(server)
    assert (found["service.name"], found["deployment.environment.name"], found["service.version"]) == (
        "shop",
        "test",
        "1.2",
    )
    assert (found["telemetry.distro.name"], found["telemetry.sdk.language"]) == ("otel-distro", "python")
    assert found["service.instance.id"]


def test_a_user_s_instance_id_stays(server: OtlpServer) -> None:
    """No slot takes its place."""
    traced(server, OTEL_RESOURCE_ATTRIBUTES="service.instance.id=mine")
    assert resource(server)["service.instance.id"] == "mine"


def test_a_broken_resource_attribute_costs_itself(server: OtlpServer) -> None:
    """The others are taken."""
    assert traced(server, OTEL_RESOURCE_ATTRIBUTES="broken,a=b").fine
    assert resource(server)["a"] == "b"


@pytest.mark.parametrize(
    ("sampler", "argument", "count"),
    [
        ("always_on", "", 2),
        ("always_off", "", 0),
        ("parentbased_always_off", "", 0),
        ("traceidratio", "0", 0),
        ("traceidratio", "1", 2),
        ("parentbased_traceidratio", "0", 0),
        ("otel_distro_ratio", "0", 0),
        ("otel_distro_ratio", "1", 2),
    ],
)
def test_samplers(server: OtlpServer, sampler: str, argument: str, count: int) -> None:
    """Upstream's names and our own."""
    outcome = traced(server, OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=argument)
    assert outcome.fine
    assert len(server.spans()) == count
    assert len(outcome.lines) == 2


@pytest.mark.parametrize(
    ("sampler", "argument"), [("nope", ""), ("otel_distro_ratio", "much"), ("traceidratio", "much")]
)
def test_a_sampler_that_is_none_is_one_line(server: OtlpServer, sampler: str, argument: str) -> None:
    """And everything is sampled."""
    outcome = traced(server, OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=argument)
    assert outcome.fine
    assert len(outcome.about("TRACES_SAMPLER")) == 1
    assert len(server.spans()) == 2


INJECT = (
    SCRIPT
    + """
from opentelemetry import baggage, propagate
from opentelemetry.trace import SpanKind
context = baggage.set_baggage("tenant", "a")
span = trace.get_tracer("app").start_span("call", context, SpanKind.CLIENT, {"server.address": "localhost"})
carrier = {}
propagate.inject(carrier, trace.set_span_in_context(span, context))
print("carrier:", sorted(carrier))
"""
)


@pytest.mark.parametrize(
    ("propagators", "carrier"),
    [("", ["baggage", "traceparent"]), ("tracecontext", ["traceparent"]), ("baggage", ["baggage"]), ("none", [])],
)
def test_propagators(propagators: str, carrier: list[str]) -> None:
    """As the variable lists them."""
    outcome = instrumented(INJECT, **({"OTEL_PROPAGATORS": propagators} if propagators else {}))
    assert f"carrier: {carrier}" in outcome.out


def test_an_unknown_propagator_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """One line; the others work."""
    before = propagate.get_global_textmap()
    try:
        set_propagators(config.load({"OTEL_PROPAGATORS": "nope,tracecontext"}))
        assert propagate.get_global_textmap().fields == {"traceparent", "tracestate"}
    finally:
        propagate.set_global_textmap(before)
    assert len([line for line in caplog.messages if "OTEL_PROPAGATORS=nope" in line]) == 1


def test_upstream_s_command_refuses_an_unknown_propagator() -> None:
    """It fails in upstream's own command, before anything of ours is loaded; a user reads upstream's words."""
    outcome = only(OTEL_PROPAGATORS="nope")
    assert outcome.code != 0
    assert outcome.about("Propagator nope not found")


def test_span_limits(server: OtlpServer) -> None:
    """By the standard variables."""
    traced(server, OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="2", OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="10")
    outer = server.spans()[1]
    assert attributes(outer.attributes) == {"b": 2, "long": "x" * 10}
    assert outer.dropped_attributes_count == 1


def test_ids_come_from_the_generator_that_is_named(server: OtlpServer) -> None:
    """An unknown one is one line, and ids are random."""
    outcome = traced(server, OTEL_PYTHON_ID_GENERATOR="nope")
    assert outcome.fine
    assert len(outcome.about("OTEL_PYTHON_ID_GENERATOR")) == 1
    assert len({span.span_id for span in server.spans()}) == 2


@pytest.mark.parametrize(
    "variable",
    [
        "OTEL_METRIC_EXPORT_INTERVAL",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_BSP_SCHEDULE_DELAY",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_DISTRO_BUFFER_BYTES",
    ],
)
def test_a_number_that_is_none_is_one_line(server: OtlpServer, variable: str) -> None:
    """The default is used."""
    outcome = instrumented(SCRIPT, server, **{variable: "often"})
    assert outcome.fine
    assert len(outcome.about(variable)) == 1
    assert len(server.spans()) == 2


def test_an_unwritable_cache_changes_nothing(server: OtlpServer, tmp_path: Path) -> None:
    """No slot can be held: the instance id is random."""
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    outcome = traced(server, OTEL_DISTRO_CACHE_DIR=str(blocked / "below"))
    assert outcome.fine
    assert resource(server)["service.instance.id"]
