"""What publishing a task emits and sends."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from celery import Celery
from celery.app.amqp import AMQP
from kombu.exceptions import OperationalError
from opentelemetry import baggage, propagate, trace
from opentelemetry import context as context_api
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from otel_distro.context.work import CURRENT, Work
from otel_distro.instrumentation.celery import CeleryInstrumentor
from tests.conftest import Telemetry


def sent(app: Celery, queue: str = "celery") -> Any:
    """The message that waits in the broker."""
    with app.connection_for_read() as connection, connection.SimpleQueue(queue) as waiting:
        message = waiting.get(timeout=5)
        message.ack()
        return message


def test_a_publish_is_one_producer_span(app: Celery, telemetry: Telemetry) -> None:
    """`delay` gives one PRODUCER span that names task, queue and message."""
    result = app.tasks["orders.pack"].delay(7)
    [span] = telemetry.spans()
    assert (span.name, span.kind, span.status.status_code) == (
        "publish orders.pack",
        SpanKind.PRODUCER,
        StatusCode.UNSET,
    )
    assert dict(span.attributes or {}) == {
        "messaging.system": "celery",
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "messaging.destination.name": "celery",
        "messaging.message.id": result.id,
        "celery.task.name": "orders.pack",
    }


def test_the_message_carries_the_publish_span(app: Celery, telemetry: Telemetry) -> None:
    """The `traceparent` header of a message names the publish span."""
    app.tasks["orders.pack"].delay(7)
    [span] = telemetry.spans()
    carried = trace.get_current_span(propagate.extract(sent(app).headers, context_api.Context())).get_span_context()
    assert (carried.trace_id, carried.span_id) == (span.context.trace_id, span.context.span_id)


def test_the_message_carries_the_work(app: Celery, telemetry: Telemetry) -> None:
    """Request id, user and tier travel in one header, the request id and the app's baggage as baggage too."""
    token = CURRENT.set(Work({"request_id": "r-1", "user.hash": "ab", "user.tier": "paid"}))
    here = context_api.attach(baggage.set_baggage("brand", "blue"))
    app.tasks["orders.pack"].delay(7)
    context_api.detach(here)
    CURRENT.reset(token)
    headers = sent(app).headers
    assert headers["otel_distro"] == {"request_id": "r-1", "user.hash": "ab", "user.tier": "paid"}
    assert sorted(headers["baggage"].split(",")) == ["brand=blue", "request_id=r-1"]


def test_without_work_or_baggage_nothing_of_them_is_sent(app: Celery, telemetry: Telemetry) -> None:
    """A script's task carries trace context only."""
    app.tasks["orders.pack"].delay(7)
    headers = sent(app).headers
    assert "traceparent" in headers
    assert not {"otel_distro", "baggage"} & set(headers)


def test_no_baggage_propagator_no_baggage(app: Celery, telemetry: Telemetry) -> None:
    """With OTEL_PROPAGATORS=tracecontext no baggage leaves."""
    propagate.set_global_textmap(TraceContextTextMapPropagator())
    token = CURRENT.set(Work({"request_id": "r-1"}))
    app.tasks["orders.pack"].delay(7)
    CURRENT.reset(token)
    assert "baggage" not in sent(app).headers


def test_the_apps_headers_stay(app: Celery, telemetry: Telemetry) -> None:
    """Headers that the app gives are sent; stale trace headers among them are replaced."""
    app.tasks["orders.pack"].apply_async((7,), headers={"tenant": "b", "traceparent": "old", "baggage": "x=y"})
    headers = sent(app).headers
    assert headers["tenant"] == "b"
    assert headers["traceparent"] != "old"
    assert "baggage" not in headers


@pytest.mark.parametrize("protocol", [1, 2])
def test_both_message_protocols_carry_it(app: Celery, telemetry: Telemetry, protocol: int) -> None:
    """Celery's old message protocol carries trace context as the new one does."""
    app.conf.task_protocol = protocol
    result = app.tasks["orders.pack"].apply_async((7,), countdown=0.001)
    [span] = telemetry.spans()
    assert (span.attributes or {})["messaging.message.id"] == result.id
    assert "traceparent" in sent(app).headers


def test_a_task_known_by_name_only(app: Celery, telemetry: Telemetry) -> None:
    """`send_task` of a task that lives elsewhere is published like any other, to the queue that was named."""
    app.send_task("elsewhere.bill", queue="billing", countdown=60)
    [span] = telemetry.spans("publish elsewhere.bill")
    attributes = span.attributes or {}
    assert attributes["messaging.destination.name"] == "billing"
    assert str(attributes["celery.task.eta"]) == sent(app, "billing").headers["eta"]


def test_a_failing_publish_ends_its_span(instrumented: CeleryInstrumentor, telemetry: Telemetry) -> None:
    """With the broker down the app gets the exception, the span ends as an error, the context is clean."""
    app = Celery("down", broker="redis://127.0.0.1:1/0", set_as_current=False)
    before = context_api.get_current()
    with pytest.raises(OperationalError):
        app.send_task("orders.pack", (7,), retry=False, ignore_result=True)
    [span] = telemetry.spans()
    assert (span.attributes or {})["error.type"] == "kombu.exceptions.OperationalError"
    assert span.status.status_code is StatusCode.ERROR
    assert context_api.get_current() == before


def test_suppressed_means_nothing(app: Celery, telemetry: Telemetry) -> None:
    """Where instrumentation is suppressed a publish makes no span and sends no header."""
    token = context_api.attach(context_api.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
    app.tasks["orders.pack"].delay(7)
    context_api.detach(token)
    assert telemetry.spans() == []
    assert "traceparent" not in sent(app).headers


def test_applications_made_earlier_are_covered(
    app: Celery, instrumented: CeleryInstrumentor, telemetry: Telemetry
) -> None:
    """An application that published before `instrument()` is observed until `uninstrument()`."""
    instrumented.uninstrument()
    app.tasks["orders.pack"].delay(1)
    instrumented.instrument()
    app.tasks["orders.pack"].delay(2)
    instrumented.uninstrument()
    app.tasks["orders.pack"].delay(3)
    assert len(telemetry.spans("publish orders.pack")) == 1


def test_uninstrument_leaves_the_world_as_before(propagators: None) -> None:
    """After `uninstrument()` Celery has its own sender and receivers again; twice in a row."""
    from celery import signals

    def world() -> tuple[object, ...]:
        named = [getattr(signals, name) for name in ("task_prerun", "task_postrun", "task_failure", "worker_shutdown")]
        return AMQP.__dict__["send_task_message"], *(tuple(signal.receivers) for signal in named)

    before = world()
    for _ in range(2):
        CeleryInstrumentor().instrument()
        assert world() != before
        CeleryInstrumentor().uninstrument()
        assert world() == before


def test_importing_the_instrumentor_imports_no_celery() -> None:
    """The instrumentor may be loaded where Celery is not installed."""
    import subprocess

    code = (
        "import sys, otel_distro.instrumentation.celery as ours; ours.CeleryInstrumentor().instrument();"
        "assert 'celery' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
