"""What is compared: the bare app, ours, and the peers, each as its own documentation says to run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from bench.environments import Environment

SIGNALS = ("spans", "logs", "points")

Variables = Mapping[str, str]


@dataclass(frozen=True)
class Promise:
    """What the sink must see of a variant, per request of the mix, else it did not do its work.

    The mix has 0.8 requests with two statements and two log lines, 0.08 with a call to the stub, 0.02 that fail.
    """

    spans: float = 0.0
    logs: float = 0.0
    points: Mapping[str, float] = field(default_factory=dict)
    """Metrics of which points must come, and how many values each must have counted; 0: that it comes is enough."""


@dataclass(frozen=True)
class Variant:
    """One way of observing the app. `{sink}` in its variables is the sink's port."""

    name: str
    title: str
    environment: Environment
    launcher: tuple[str, ...] = ()
    variables: Variables = field(default_factory=dict)
    setup: str = ""
    """What the app itself must do (`bench/app/setup.py`); agents need nothing."""
    promise: Promise = Promise()
    gaps: str = ""
    """Where it gives less than ours, by its nature."""
    exposes: bool = False
    """Metrics are pulled from its /metrics."""

    def environ(self, sink: int) -> dict[str, str]:
        """Its variables, with the sink's address."""
        values = {name: value.replace("{sink}", str(sink)) for name, value in self.variables.items()}
        return {**values, "BENCH_SETUP": self.setup}


_INSTRUMENT = ("opentelemetry-instrument",)
_SIGNALS = dict.fromkeys(("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"), "otlp")
# Batches leave within a second everywhere (upstream's own 5 s would fall out of the measured time).
_DELAYS = {"OTEL_BSP_SCHEDULE_DELAY": "1000", "OTEL_BLRP_SCHEDULE_DELAY": "1000"}


def _otlp(name: str, protocol: str) -> Variables:
    return MappingProxyType(
        {
            **_SIGNALS,
            **_DELAYS,
            "OTEL_SERVICE_NAME": "bench",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:{sink}",
            "OTEL_EXPORTER_OTLP_INSECURE": "true",
            "OTEL_EXPORTER_OTLP_HEADERS": f"x-bench-variant={name}",
        }
    )


_HTTP = "http/protobuf"
_DATADOG = {
    "DD_TRACE_AGENT_URL": "http://127.0.0.1:{sink}",
    "DD_DOGSTATSD_URL": "udp://127.0.0.1:{sink}",
    "DD_RUNTIME_METRICS_ENABLED": "true",
    "DD_LOGS_INJECTION": "true",
    "DD_SERVICE": "bench",
    "DD_TRACE_SAMPLE_RATE": "1",
    "DD_TRACE_RATE_LIMIT": "-1",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
}
_NEWRELIC = {
    "NEW_RELIC_DEVELOPER_MODE": "true",
    "NEW_RELIC_LICENSE_KEY": "0" * 40,
    "NEW_RELIC_APP_NAME": "bench",
    "NEW_RELIC_LOG": "stderr",
    "NEW_RELIC_LOG_LEVEL": "error",
}

_POINTS = {"http.server.duration": 1.0, "http.client.duration": 0.08, "db.client.connections.usage": 0.0}
# Per item: the request, two `send`, two statements, one `connect`; a chat's `receive`, its call.
_UPSTREAM = Promise(spans=5.56, logs=1.6, points=_POINTS)

BARE = Variant("bare", "bare", Environment("bare"))
OURS = Variant(
    "ours",
    "otel-distro",
    Environment("ours", tree=True),
    _INSTRUMENT,
    # /health is quiet by default: here it has its span and line as everywhere else.
    {**_otlp("ours", _HTTP), "OTEL_DISTRO_QUIET_ROUTES": "/none", "OTEL_DISTRO_LOG_FORMAT": "json"},
    setup="ours",
    promise=Promise(
        spans=2.68,  # each request, statement and call
        logs=2.64,  # an access line per request besides the app's, two records of a failure
        points={
            "http.server.request.duration": 1.0,
            "http.client.request.duration": 0.08,
            "db.client.operation.duration": 1.6,
            "db.client.connection.use_time": 0.8,
        },
    ),
)
UPSTREAM = Variant(
    "upstream",
    "OpenTelemetry (distro, gRPC)",
    Environment("upstream"),
    _INSTRUMENT,
    _otlp("upstream", "grpc"),
    promise=_UPSTREAM,
    gaps="old metric names, no database durations, no access line, no request id",
)
HANDROLLED = Variant(
    "handrolled",
    "hand-rolled (Prometheus instrumentator, correlation id, JSON logs, slowapi)",
    Environment("handrolled"),
    setup="handrolled",
    promise=Promise(points={"http_request_duration_highr_seconds": 1.0}),
    gaps="no traces, no exported logs, no database or client durations",
    exposes=True,
)
DDTRACE = Variant(
    "ddtrace",
    "ddtrace",
    Environment("ddtrace"),
    ("ddtrace-run",),
    _DATADOG,
    setup="ddtrace",
    promise=Promise(spans=5.26, points={"runtime.python.mem.rss": 0.0}),
    gaps="no exported logs (ids in the text line only), request metrics are left to the agent",
)

CORE = (BARE, HANDROLLED, UPSTREAM, DDTRACE, OURS)
PEERS = (
    Variant(
        "upstream-http",
        "OpenTelemetry (distro, http/protobuf)",
        Environment("upstream"),
        _INSTRUMENT,
        _otlp("upstream-http", _HTTP),
        promise=_UPSTREAM,
        gaps=UPSTREAM.gaps,
    ),
    Variant(
        "sentry",
        "Sentry 1.0",
        Environment("sentry"),
        setup="sentry",
        variables={"BENCH_SENTRY": "http://key@127.0.0.1:{sink}/1"},
        promise=Promise(spans=4.36, logs=1.6),
        gaps="no metrics; its queue of 100 drops what is over",
    ),
    Variant(
        "logfire",
        "Logfire",
        Environment("logfire"),
        setup="logfire",
        variables=_otlp("logfire", _HTTP),
        promise=Promise(spans=5.08, points=_POINTS),
        gaps="logs travel as spans (and are counted there)",
    ),
    Variant(
        "elastic",
        "Elastic OTel",
        Environment("elastic"),
        _INSTRUMENT,
        _otlp("elastic", "grpc"),
        promise=_UPSTREAM,
        gaps=UPSTREAM.gaps,
    ),
    Variant(
        "splunk",
        "Splunk OTel",
        Environment("splunk"),
        _INSTRUMENT,
        _otlp("splunk", "grpc"),
        promise=_UPSTREAM,
        gaps=UPSTREAM.gaps,
    ),
    Variant(
        "newrelic",
        "New Relic (offline)",
        Environment("newrelic"),
        ("newrelic-admin", "run-program"),
        _NEWRELIC,
        gaps="developer mode: it harvests, but sends nothing that could be counted",
    ),
    Variant(
        "fastotel",
        "fastotel",
        Environment("fastotel"),
        _INSTRUMENT,
        {**_otlp("fastotel", _HTTP), "OTEL_TRACES_EXPORTER": "none"},
        setup="fastotel",
        promise=_UPSTREAM,
        gaps=UPSTREAM.gaps,
    ),
)
ALL = (*CORE, *PEERS)
PAIRED = Environment("paired", lock="upstream", tree=True)
"""Ours and upstream in one process."""
PROFILER = Environment("profiler")


def named(name: str) -> Variant:
    """The variant of this name."""
    return next(variant for variant in ALL if variant.name == name)
