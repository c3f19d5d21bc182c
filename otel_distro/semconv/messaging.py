"""Messaging and Celery (OpenTelemetry's development conventions; `celery.*` where it has no name)."""

from __future__ import annotations

from otel_distro.semconv._model import (
    DURATION_BUCKETS,
    Attribute,
    Event,
    Instrument,
    Kind,
    Metric,
    Source,
    Span,
)
from otel_distro.semconv.attributes import ERROR_TYPE, EXEMPLAR, TRACE_CLASS, WORK

SCOPE = "otel_distro.celery"

SYSTEM = Attribute("messaging.system", "Which system", values=("celery",))
DESTINATION = Attribute("messaging.destination.name", "Queue", bound="queues of the app")
OPERATION_NAME = Attribute("messaging.operation.name", "The operation", values=("publish", "run"))
OPERATION_TYPE = Attribute("messaging.operation.type", "Its type", values=("send", "process"))
MESSAGE_ID = Attribute("messaging.message.id", "Task id, the same for all tries of a task")
TASK = Attribute("celery.task.name", "Task name", bound="tasks of the app")
OUTCOME = Attribute(
    "celery.task.outcome",
    "How a run ended; revoked: called off from outside, before it began or while it ran",
    values=("success", "failure", "retry", "ignored", "rejected", "revoked"),
)
RETRIES = Attribute("celery.task.retries", "Which retry this is, from one on")
ETA = Attribute("celery.task.eta", "When the task was asked to run, ISO 8601")
DURATION_MS = Attribute("duration_ms", "How long the run took, in milliseconds")

CLIENT_DURATION = Metric(
    "messaging.client.operation.duration",
    Instrument.HISTOGRAM,
    "s",
    "Duration of publishing",
    (SYSTEM, OPERATION_NAME, DESTINATION, TASK, ERROR_TYPE),
    DURATION_BUCKETS,
    Source(SCOPE, Kind.PRODUCER),
)
SENT = Metric(
    "messaging.client.sent.messages",
    Instrument.COUNTER,
    "{message}",
    "Messages published",
    (SYSTEM, DESTINATION, TASK, ERROR_TYPE),
    source=Source(SCOPE, Kind.PRODUCER, "count"),
)
PROCESS_DURATION = Metric(
    "messaging.process.duration",
    Instrument.HISTOGRAM,
    "s",
    "Duration of task runs",
    (SYSTEM, OPERATION_NAME, DESTINATION, TASK, OUTCOME, ERROR_TYPE),
    (*DURATION_BUCKETS, 30.0, 60.0, 300.0, 1800.0, 3600.0),
    Source(SCOPE, Kind.CONSUMER),
)
TASKS = Metric(
    "celery.task.runs",
    Instrument.COUNTER,
    "{task}",
    "Task runs by outcome",
    (TASK, DESTINATION, OUTCOME),
    source=Source(SCOPE, Kind.CONSUMER, "count"),
)
METRICS = (CLIENT_DURATION, SENT, PROCESS_DURATION, TASKS)
SPANS = (
    Span(
        SCOPE,
        Kind.PRODUCER,
        "publish {task}",
        "One task published",
        (SYSTEM, DESTINATION, OPERATION_NAME, OPERATION_TYPE, MESSAGE_ID, TASK, ETA, ERROR_TYPE, EXEMPLAR),
    ),
    Span(
        SCOPE,
        Kind.CONSUMER,
        "run {task}",
        "One run of a task",
        (
            SYSTEM,
            DESTINATION,
            OPERATION_NAME,
            OPERATION_TYPE,
            MESSAGE_ID,
            TASK,
            RETRIES,
            OUTCOME,
            ERROR_TYPE,
            EXEMPLAR,
            TRACE_CLASS,
            *WORK,
        ),
    ),
)
TASK_COMPLETED = Event(
    "celery.task_completed",
    "One line per run, body `task_completed`",
    (TASK, DESTINATION, MESSAGE_ID, OUTCOME, RETRIES, ERROR_TYPE, DURATION_MS),
)
EVENTS = (TASK_COMPLETED,)
