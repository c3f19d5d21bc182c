"""The flat records that instrumentation writes and the pipeline reads, and their one hand-over.

Spans are made through the OpenTelemetry API and become records when they end; what the API has no word for is here.
A leaf: instrumentation and pipeline both import it, neither imports the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry.context import create_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_distro.semconv._model import Metric

    Scalar = str | bool | int | float | bytes
    Value = Scalar | Sequence[Scalar]

QUIET = create_key("otel_distro.quiet")
"""Context key, read when a local root span starts: metrics count the request, nothing else shows it."""


class Exact(dict[str, "Value"]):
    """Attributes that are exact scalars and that their giver does not touch again: taken as they are, not copied."""

    __slots__ = ()


class Fixed(Exact):
    """`Exact`, and never changed by anybody: the same object comes again and again.

    `kept` holds what its readers made of it, by reader. Only for bounded sets: a statement, a place in the code.
    """

    __slots__ = ("kept",)

    def __init__(self, values: Mapping[str, Value]) -> None:
        super().__init__(values)
        self.kept: dict[Any, Any] = {}


class LogRecord:
    """One log line: exact scalars only (design decision 2), so that it may cross to the pipeline thread.

    `console`: a console line is due. `export`: false for lines of the exporter at work and of excluded requests.
    """

    __slots__ = (
        "attributes",
        "body",
        "console",
        "event_name",
        "export",
        "fields",
        "scope",
        "severity_number",
        "severity_text",
        "span_id",
        "time_unix_nano",
        "trace_flags",
        "trace_id",
    )

    def __init__(  # noqa: PLR0913 - one argument per field of the OpenTelemetry log data model
        self,
        time_unix_nano: int,
        severity_number: int,
        severity_text: str,
        scope: str,
        body: str,
        *,
        attributes: Mapping[str, Value] | None = None,
        fields: Mapping[str, Value] | None = None,
        trace_id: int = 0,
        span_id: int = 0,
        trace_flags: int = 0,
        event_name: str | None = None,
        console: bool = True,
        export: bool = True,
    ) -> None:
        self.time_unix_nano = time_unix_nano
        self.severity_number = severity_number
        self.severity_text = severity_text
        self.scope = scope
        self.body = body
        self.attributes = attributes
        self.fields = fields
        self.trace_id = trace_id
        self.span_id = span_id
        self.trace_flags = trace_flags
        self.event_name = event_name
        self.console = console
        self.export = export


class Measurement:
    """One value of a declared metric; `key` holds the values of `metric.attributes` in their order (None: absent)."""

    __slots__ = ("key", "metric", "span_id", "trace_flags", "trace_id", "value")

    def __init__(
        self,
        metric: Metric,
        value: float,
        key: tuple[Value | None, ...] = (),
        trace_id: int = 0,
        span_id: int = 0,
        trace_flags: int = 0,
    ) -> None:
        self.metric = metric
        self.value = value
        self.key = key
        self.trace_id = trace_id
        self.span_id = span_id
        self.trace_flags = trace_flags


class Sink(Protocol):
    """What the pipeline offers to those who write records. Never blocks, never raises."""

    def log(self, record: LogRecord) -> None:
        """Take a log record; at ERROR and above its console line is written before this returns."""

    def measure(self, measurement: Measurement) -> None:
        """Take one measurement of a declared metric."""

    def flush(self, timeout_millis: int) -> bool:
        """Export all that was taken; False when that took longer than the timeout."""


class Discard:
    """The sink before a pipeline starts and after it has shut down."""

    def log(self, record: LogRecord) -> None:
        """Forget it."""

    def measure(self, measurement: Measurement) -> None:
        """Forget it."""

    def flush(self, timeout_millis: int) -> bool:  # noqa: ARG002 - the protocol's signature
        """Nothing to do."""
        return True


class Handover:
    """The one place where records change hands: `HANDOVER.sink` is set by the pipeline's start and shutdown."""

    __slots__ = ("sink",)

    def __init__(self) -> None:
        self.sink: Sink = Discard()


HANDOVER = Handover()
