"""From settings to a running pipeline: which exporters, readers, sampler, propagators the environment asks for."""

from __future__ import annotations

import logging
from hashlib import sha256
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry import propagate
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, Resource
from opentelemetry.sdk.trace import sampling
from opentelemetry.util._importlib_metadata import entry_points  # as the loader's: the disk is searched once

from otel_distro import config
from otel_distro._version import __version__
from otel_distro.context.baggage import FirstPartyBaggagePropagator
from otel_distro.errors.record import prepare as prepare_errors
from otel_distro.exporter.foreign import ForeignExporter, readable_log
from otel_distro.exporter.otlp import OtlpExporter, OtlpReader
from otel_distro.exporter.outage import Outage
from otel_distro.exporter.sender import Sender
from otel_distro.exporter.split import SplittingTransport
from otel_distro.exporter.spool import Limits, Spool
from otel_distro.exporter.transport import HttpTransport, named
from otel_distro.guard import guard
from otel_distro.logs.console import Console, renderer
from otel_distro.logs.stream import line_format
from otel_distro.pipeline import Pipeline
from otel_distro.pipeline.lifecycle import Lifecycle
from otel_distro.pipeline.sampling import otel_distro_ratio
from otel_distro.pipeline.thread import Outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.sdk._logs import LogRecordProcessor
    from opentelemetry.sdk.metrics.view import View
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    from otel_distro.config import Settings
    from otel_distro.config_otlp import Otlp
    from otel_distro.exporter import Exporter
    from otel_distro.exporter.transport import Transport

_logger = logging.getLogger("otel_distro")
_OTLP = frozenset({"otlp", "otlp_proto_http"})
_UPSTREAM_OTLP = {"grpc": "otlp_proto_grpc", "http/json": "otlp_json_http"}
_EXPORTER_SETTING = {
    "traces": "OTEL_TRACES_EXPORTER",
    "metrics": "OTEL_METRICS_EXPORTER",
    "logs": "OTEL_LOGS_EXPORTER",
}
_CONSOLE_FIELDS = ("service.name", "service.version", "deployment.environment.name")


class Given(NamedTuple):
    """What a configurator of the user's own gives in code: under the names of upstream's, and metric views."""

    auto_instrumentation_version: str | None = None
    resource_attributes: Mapping[str, Any] | None = None
    sampler: sampling.Sampler | None = None
    id_generator: IdGenerator | None = None
    span_processors: Sequence[SpanProcessor] = ()
    log_record_processors: Sequence[LogRecordProcessor] = ()
    views: Sequence[View] = ()


_NOTHING = Given()


def assemble(settings: Settings, given: Given = _NOTHING) -> Pipeline:
    """Build the pipeline that the settings ask for; what can't be had is one line that names its setting."""
    for problem in (*settings.problems, *missing(settings)):
        _logger.warning("%s", problem)
    chosen = "service.instance.id" in config.environment("OTEL_RESOURCE_ATTRIBUTES")
    chosen = chosen or SERVICE_INSTANCE_ID in (given.resource_attributes or {})
    resource = _resource(given, own_instance_id=not chosen)
    pipeline = Pipeline(settings, resource, own_instance_id=not chosen)
    build = _Build(settings, pipeline)
    outputs = Outputs(build.spans(), build.logs(), build.reader, build.console())
    ids = id_generator_by_name() if given.id_generator is None else {"id_generator": given.id_generator}
    pipeline.build(outputs, readers=build.readers, sampler=given.sampler or sampler_by_name(), views=given.views, **ids)
    for span_processor in given.span_processors or ():
        pipeline.tracer_provider.add_span_processor(span_processor)
    for log_record_processor in given.log_record_processors or ():
        pipeline.logger_provider.add_log_record_processor(log_record_processor)
    with guard("errors.prepare"):
        prepare_errors()
    return pipeline


def start(settings: Settings, given: Given = _NOTHING) -> Pipeline:
    """Assemble, make global, and tie to the process's life."""
    pipeline = assemble(settings, given)
    pipeline.install()
    set_propagators(settings)
    Lifecycle(pipeline, settings.shutdown_timeout).attach()
    return pipeline


def _resource(given: Given, *, own_instance_id: bool) -> Resource:
    attributes = {"telemetry.distro.name": "otel-distro", "telemetry.distro.version": __version__}
    if given.auto_instrumentation_version:
        attributes["telemetry.auto.version"] = given.auto_instrumentation_version
    resource = Resource.create({**attributes, **(given.resource_attributes or {})})
    if not own_instance_id:
        return resource
    kept = {key: value for key, value in resource.attributes.items() if key != SERVICE_INSTANCE_ID}
    return Resource(kept, resource.schema_url)


class _Build:
    """Makes the exporters of each signal; `readers` are metric readers besides our own push reader."""

    def __init__(self, settings: Settings, pipeline: Pipeline) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self.readers: list[MetricReader] = []
        self.reader: OtlpReader | None = None
        self._outage = Outage({signal: named(otlp) for signal, otlp in settings.otlp.items()})
        for name in settings.metrics_exporter:
            with guard(f"exporter.metrics.{name}"):
                self._metrics(name)

    def spans(self) -> list[Exporter]:
        """Exporters of spans."""
        return self._exporters("traces", self._settings.traces_exporter, None)

    def logs(self) -> list[Exporter]:
        """Exporters of log records."""
        return self._exporters(
            "logs", self._settings.logs_exporter, lambda record: readable_log(record, self._pipeline.resource)
        )

    def _exporters(self, signal: str, names: Sequence[str], convert: Callable[[Any], Any] | None) -> list[Exporter]:
        made: list[Exporter] = []
        for name in names:
            if name == "none":
                continue
            with guard(f"exporter.{signal}.{name}"):
                if is_ours(self._settings, signal, name):
                    sender = self._sender(signal, name)
                    made += [OtlpExporter(sender, lambda: self._pipeline.resource)] if sender else []
                else:
                    found = foreign(self._settings, signal, name)
                    size = self._settings.buffer_bytes
                    made += [ForeignExporter(signal, found(), size, convert)] if found else []
        return made

    def _metrics(self, name: str) -> None:
        if name == "none":
            return
        if is_ours(self._settings, "metrics", name):
            sender = self._sender("metrics", name)
            self.reader = OtlpReader(sender, self._settings.temporality) if sender else None
            return
        found = foreign(self._settings, "metrics", name)
        if found is None:
            return
        made = found()
        self.readers.append(made if isinstance(made, MetricReader) else PeriodicExportingMetricReader(made))

    def _sender(self, signal: str, name: str) -> Sender | None:
        settings = self._settings.otlp[signal]
        try:
            transport = transport_of(settings, signal, name)
        except OSError as error:
            _logger.warning(
                "OTEL_EXPORTER_OTLP_CERTIFICATE or a client certificate can't be used, no %s leave: %s",
                signal,
                error,
            )
            return None
        spool = spool_of(self._settings, signal)
        size = self._settings.buffer_bytes
        return Sender(signal, SplittingTransport(transport, signal), size, settings.timeout, spool, self._outage)

    def console(self) -> Console | None:
        """The console, unless lines are left to the app's own handlers."""
        kind = line_format(self._settings.log_format)
        if kind == "app":
            return None
        resource = self._pipeline.resource.attributes
        fields = {key: str(resource[key]) for key in _CONSOLE_FIELDS if key in resource}
        return Console(renderer(kind, fields))


def is_ours(settings: Settings, signal: str, name: str) -> bool:
    """Whether our exporter serves an exporter's name; the others are those of other packages."""
    protocol = settings.otlp[signal].protocol
    return name in _OTLP and (name != "otlp" or protocol == "http/protobuf" or (protocol == "grpc" and _has_h2()))


def foreign(settings: Settings, signal: str, name: str) -> Callable[[], Any] | None:
    """Somebody else's exporter by its entry point's name; one line when there is none."""
    if name == "otlp":
        name = _UPSTREAM_OTLP[settings.otlp[signal].protocol]
    for entry_point in entry_points(group=f"opentelemetry_{signal}_exporter", name=name):
        loaded: Callable[[], Any] = entry_point.load()
        return loaded
    _logger.warning("%s=%s: there is no such exporter installed, it is left out", _EXPORTER_SETTING[signal], name)
    return None


def transport_of(settings: Otlp, signal: str, name: str) -> Transport:
    """By the protocol, unless the exporter's name says HTTP; OSError for a certificate that can't be used."""
    if settings.protocol != "grpc" or name != "otlp":
        return HttpTransport(settings)
    from otel_distro.exporter.grpc import GrpcTransport

    return GrpcTransport(settings, signal)


def spool_of(settings: Settings, signal: str) -> Spool:
    """What waits on disk is for one endpoint with its headers: a token or a tenant gets nothing of another one."""
    where = settings.otlp[signal]
    destination = sha256(repr((where.endpoint, where.headers)).encode()).hexdigest()[:16]
    limits = Limits(settings.spool_max_bytes, settings.spool_max_age or float("inf"), settings.spool_rate)
    return Spool(settings.spool_dir or settings.cache_dir / "spool", signal, destination, limits)


def _has_h2() -> bool:
    return find_spec("h2") is not None


def missing(settings: Settings) -> list[str]:
    """What is asked for and not installed."""
    if _has_h2() or not any(otlp.protocol == "grpc" for otlp in settings.otlp.values()):
        return []
    return [
        'OTEL_EXPORTER_OTLP_PROTOCOL=grpc needs "otel-distro[grpc]": upstream\'s exporter is used if that is installed'
    ]


def sampler_by_name() -> sampling.Sampler | None:
    """Our ratio, or a sampler by entry point; None: the SDK reads the environment itself."""
    name = config.environment("OTEL_TRACES_SAMPLER").strip()
    argument = config.environment("OTEL_TRACES_SAMPLER_ARG")
    if not name or name.lower() in sampling._KNOWN_SAMPLERS:  # noqa: SLF001 - the SDK's own list
        return None
    try:
        if name == "otel_distro_ratio":
            return otel_distro_ratio(argument)
        for entry_point in entry_points(group="opentelemetry_traces_sampler", name=name):
            made: sampling.Sampler = entry_point.load()(argument)
            return made
    except (ValueError, TypeError, ImportError, AttributeError) as error:
        _logger.warning("OTEL_TRACES_SAMPLER=%s can't be used, everything is sampled: %s", name, error)
        return sampling.DEFAULT_ON
    _logger.warning("OTEL_TRACES_SAMPLER=%s: there is no such sampler installed, everything is sampled", name)
    return sampling.DEFAULT_ON


def id_generator_by_name() -> dict[str, Any]:
    """A generator of ids by entry point, as the provider's argument; nothing for the SDK's own."""
    name = config.environment("OTEL_PYTHON_ID_GENERATOR", "random").strip()
    if name != "random":
        for entry_point in entry_points(group="opentelemetry_id_generator", name=name):
            return {"id_generator": entry_point.load()()}
        _logger.warning("OTEL_PYTHON_ID_GENERATOR=%s: there is no such generator installed, ids are random", name)
    return {}


def set_propagators(settings: Settings) -> None:
    """Make the configured propagators global; baggage goes out by ours, to first-party hosts only."""
    made: list[Any] = []
    for name in settings.propagators:
        if name == "none":
            break
        if name == "baggage":
            made.append(FirstPartyBaggagePropagator())
            continue
        found = list(entry_points(group="opentelemetry_propagator", name=name))
        if found:
            made.append(found[0].load()())
        else:
            _logger.warning("OTEL_PROPAGATORS=%s: there is no such propagator installed, it is left out", name)
    propagate.set_global_textmap(CompositePropagator(made))
