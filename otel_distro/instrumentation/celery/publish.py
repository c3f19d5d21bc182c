"""Publishing: a PRODUCER span around what really sends, and the work in hand in the message's headers."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import context as context_api
from opentelemetry import propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.trace import SpanKind, Status, StatusCode

from otel_distro.context.baggage import with_request_id
from otel_distro.context.carry import HEADER, fields_out
from otel_distro.errors.exception import exception_type
from otel_distro.guard import guard
from otel_distro.semconv.attributes import ERROR_TYPE
from otel_distro.semconv.messaging import (
    DESTINATION,
    ETA,
    MESSAGE_ID,
    OPERATION_NAME,
    OPERATION_TYPE,
    SYSTEM,
    TASK,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context

_baggage = W3CBaggagePropagator()
_FAILED, _OVER = guard("celery.publish.failed"), guard("celery.publish.over")


class Sender:
    """Stands in for the property `AMQP.send_task_message`: all that publishes a task gets its sender there.

    A data descriptor, so that it is found before what applications made earlier have cached.
    """

    def __init__(self, original: Any, tracer: trace.Tracer) -> None:
        self.original = original
        self.tracer = tracer

    def __get__(self, amqp: Any, owner: type | None = None) -> Any:
        if amqp is None:
            return self
        return Publication(self.tracer, amqp, self.original.__get__(amqp, owner))

    def __set__(self, amqp: Any, value: Any) -> None:
        self.original.__set__(amqp, value)

    def __delete__(self, amqp: Any) -> None:
        self.original.__delete__(amqp)


class Publication:
    """What `app.amqp.send_task_message(producer, name, message, **options)` calls."""

    __slots__ = ("_amqp", "_send", "_tracer")

    def __init__(self, tracer: trace.Tracer, amqp: Any, send: Callable[..., Any]) -> None:
        self._tracer = tracer
        self._amqp = amqp
        self._send = send

    def __call__(self, producer: Any, name: str, message: Any, *more: Any, **options: Any) -> Any:
        """Send as before, in a span; whatever sending raises passes through."""
        span: trace.Span | None = None
        with guard("celery.publish"):
            if not context_api.get_value(_SUPPRESS_INSTRUMENTATION_KEY):
                span = self._start(name, message, options)
        if span is None:
            return self._send(producer, name, message, *more, **options)
        token = None
        with guard("celery.publish.headers"):
            here = trace.set_span_in_context(span)
            token = context_api.attach(here)
            options["headers"] = headers_out(options.get("headers"), here)
        try:
            return self._send(producer, name, message, *more, **options)
        except BaseException as error:
            with _FAILED:
                span.set_attribute(ERROR_TYPE.key, exception_type(error))
                span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            with _OVER:
                try:
                    span.end()
                finally:
                    if token is not None:
                        context_api.detach(token)

    def _start(self, name: str, message: Any, options: Mapping[str, Any]) -> trace.Span:
        headers, properties = message[0], message[1]
        attributes = {
            SYSTEM.key: "celery",
            OPERATION_NAME.key: "publish",
            OPERATION_TYPE.key: "send",
            DESTINATION.key: destination(self._amqp, options),
            TASK.key: name,
            MESSAGE_ID.key: str(properties.get("correlation_id")),
        }
        if headers.get("eta"):
            attributes[ETA.key] = str(headers["eta"])
        return self._tracer.start_span(f"publish {name}", kind=SpanKind.PRODUCER, attributes=attributes)


def destination(amqp: Any, options: Mapping[str, Any]) -> str:
    """Name of the queue a task goes to; of the exchange, when that alone is given."""
    target = options.get("queue") or options.get("exchange") or amqp.default_queue
    return str(getattr(target, "name", target))


def headers_out(given: Mapping[str, Any] | None, here: Context) -> dict[str, Any]:
    """The message's own headers, with trace context, baggage and work as they are here.

    A retried task sends the headers again that it came with: those of ours among them are not kept.
    """
    propagator = propagate.get_global_textmap()
    carrier: dict[str, str] = {}
    propagator.inject(carrier, here)
    if _baggage.fields <= propagator.fields:  # the broker is ours: no host has to be allowed
        _baggage.inject(carrier, with_request_id(here))
    stale = {HEADER, *propagator.fields}
    headers: dict[str, Any] = {key: value for key, value in (given or {}).items() if key not in stale}
    headers.update(carrier)
    fields = fields_out(time_ns())
    if fields:
        headers[HEADER] = fields
    return headers
