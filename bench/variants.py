"""What is compared: the bare app, ours, and the peers, each as its own documentation says to run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from bench.environments import Environment

SIGNALS = ("spans", "logs", "points")

Variables = Mapping[str, str]


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
    delivers: tuple[str, ...] = SIGNALS
    """Signals that the sink must see, else the variant did not do its work."""
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

BARE = Variant("bare", "bare", Environment("bare"), delivers=())
OURS = Variant(
    "ours",
    "otel-distro",
    Environment("ours", tree=True),
    _INSTRUMENT,
    # /health is quiet by default: here it has its span and line as everywhere else.
    {**_otlp("ours", _HTTP), "OTEL_DISTRO_QUIET_ROUTES": "/none", "OTEL_DISTRO_LOG_FORMAT": "json"},
    setup="ours",
)
UPSTREAM = Variant(
    "upstream",
    "OpenTelemetry (distro, gRPC)",
    Environment("upstream"),
    _INSTRUMENT,
    _otlp("upstream", "grpc"),
    gaps="old metric names, no database durations, no access line, no request id",
)
HANDROLLED = Variant(
    "handrolled",
    "hand-rolled (Prometheus instrumentator, correlation id, JSON logs, slowapi)",
    Environment("handrolled"),
    setup="handrolled",
    delivers=("points",),
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
    delivers=("spans", "points"),
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
        gaps=UPSTREAM.gaps,
    ),
    Variant(
        "sentry",
        "Sentry 1.0",
        Environment("sentry"),
        setup="sentry",
        variables={"BENCH_SENTRY": "http://key@127.0.0.1:{sink}/1"},
        delivers=("spans", "logs"),
        gaps="no metrics",
    ),
    Variant(
        "logfire",
        "Logfire",
        Environment("logfire"),
        setup="logfire",
        variables=_otlp("logfire", _HTTP),
        delivers=("spans", "points"),
        gaps="logs travel as spans",
    ),
    Variant(
        "elastic",
        "Elastic OTel",
        Environment("elastic"),
        _INSTRUMENT,
        _otlp("elastic", "grpc"),
        gaps=UPSTREAM.gaps,
    ),
    Variant(
        "splunk",
        "Splunk OTel",
        Environment("splunk"),
        _INSTRUMENT,
        _otlp("splunk", "grpc"),
        gaps=UPSTREAM.gaps,
    ),
    Variant(
        "newrelic",
        "New Relic (offline)",
        Environment("newrelic"),
        ("newrelic-admin", "run-program"),
        _NEWRELIC,
        delivers=(),
        gaps="developer mode: it harvests, but sends nothing that could be counted",
    ),
    Variant(
        "fastotel",
        "fastotel",
        Environment("fastotel"),
        _INSTRUMENT,
        {**_otlp("fastotel", _HTTP), "OTEL_TRACES_EXPORTER": "none"},
        setup="fastotel",
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
