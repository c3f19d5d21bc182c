"""Attributes that several areas share, and what identifies the work a record belongs to."""

from __future__ import annotations

from otel_distro.semconv._model import Attribute, LogField

ERROR_TYPE = Attribute(
    "error.type",
    "Class of error: exception type, or the status code",
    bound="exception types and status codes of the app",
)
SERVER_ADDRESS = Attribute("server.address", "Host name of the server called", bound="hosts the app calls")
SERVER_PORT = Attribute("server.port", "Port of the server called", bound="ports the app calls")
NETWORK_PROTOCOL_VERSION = Attribute(
    "network.protocol.version", "Version of the protocol", values=("1.0", "1.1", "2", "3")
)

REQUEST_ID = Attribute("request_id", "The request's id: X-Request-ID when it came with a valid one, else the trace id")
USER_HASH = Attribute("user.hash", "Keyed hash of the bound user", sensitive=True)
USER_ID = Attribute("user.id", "The bound user as it is; only by explicit setting", sensitive=True)
SESSION_ID = Attribute("session.id", "The bound session, hashed as the user is", sensitive=True)
USER_TIER = Attribute("user.tier", "The bound tier, for example free or paid", bound="tiers of the app")
TENANT_ID = Attribute("tenant.id", "The bound tenant or brand", bound="tenants of the app")
WORK = (REQUEST_ID, USER_HASH, USER_ID, SESSION_ID, USER_TIER, TENANT_ID)
"""What `otel_distro.context` knows of the current work: on every log record and on the root span."""

EXEMPLAR = Attribute("otel_distro.exemplar", "This span is an exemplar of a metric: the Collector keeps its trace")
TRACE_CLASS = Attribute(
    "otel_distro.trace_class",
    "What the Collector's sampling must know",
    values=("payment", "webhook", "synthetic"),
)

EXCEPTION_TYPE = Attribute("exception.type", "Qualified name of the exception's class")
EXCEPTION_MESSAGE = Attribute("exception.message", "The exception's text, truncated", sensitive=True)
EXCEPTION_STACKTRACE = Attribute("exception.stacktrace", "The stack, innermost frames kept", sensitive=True)
EXCEPTION = (EXCEPTION_TYPE, EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE)

LOG_FIELDS = (
    LogField("trace_id", "Trace the line belongs to", "trace_id"),
    LogField("span_id", "Span the line was written in", "span_id"),
    LogField(REQUEST_ID.key, REQUEST_ID.brief, "request_id"),
    LogField(USER_HASH.key, USER_HASH.brief, "user", sensitive=True),
    LogField(USER_ID.key, USER_ID.brief, "user", sensitive=True),
    LogField(SESSION_ID.key, SESSION_ID.brief, "session", sensitive=True),
    LogField(USER_TIER.key, USER_TIER.brief, "tier"),
    LogField(TENANT_ID.key, TENANT_ID.brief, "tenant"),
    LogField("service.name", "The service (a resource attribute in OTLP)", "service"),
    LogField("service.version", "Its version (a resource attribute in OTLP)", "version"),
    LogField("deployment.environment.name", "Its environment (a resource attribute in OTLP)", "environment"),
    LogField("code.file.path", "Source file of the call", "file"),
    LogField("code.function.name", "Function of the call", "function"),
    LogField("code.line.number", "Line of the call", "line"),
    LogField("code.stacktrace", "Where the call was made, when the app asked for it by `stack_info`", "stack"),
    LogField("thread.name", "Thread of the call, when it is not the main thread", "thread"),
    LogField("exception.type", EXCEPTION_TYPE.brief, "exception_type"),
    LogField("exception.message", EXCEPTION_MESSAGE.brief, "exception_message", sensitive=True),
    LogField("exception.stacktrace", EXCEPTION_STACKTRACE.brief, "stacktrace", sensitive=True),
    LogField("issue.fingerprint", "The same for the same defect", "fingerprint"),
    LogField("issue.title", "Type and place of the error, or its group", "issue"),
    LogField("issue.handled", "Whether the app itself caught it", "handled"),
    LogField("issue.in_app", "The app's own frames of the stack", "in_app"),
    LogField("issue.suppressed", "How often it came meanwhile without a stack", "suppressed"),
    LogField(
        "otel_distro.log.format_error",
        "Why the message is the bare template: its arguments did not fit",
        "format_error",
    ),
)
"""Fields of our own on log records; what the app adds by `extra=` or structlog's context travels under its own name."""

EVENT_FIELDS = (
    LogField("http.request.method", "Method of the completed request", "method"),
    LogField("http.route", "Its route", "route"),
    LogField("url.path", "Its path", "path", sensitive=True),
    LogField("http.response.status_code", "Its status", "status"),
    LogField("http.response.body.size", "Bytes of its response", "bytes"),
    LogField("client.address", "Who asked", "client", sensitive=True),
    LogField("user_agent.original", "User-Agent header", "user_agent"),
    LogField("error.type", "What went wrong", "error"),
    LogField("celery.task.name", "Name of the completed task", "task"),
    LogField("celery.task.outcome", "How it ended", "outcome"),
    LogField("celery.task.retries", "Which retry it was", "retries"),
    LogField("messaging.destination.name", "Its queue", "queue"),
    LogField("messaging.message.id", "Its id", "task_id"),
)
"""How attributes of our own events (`request_completed`, `task_completed`) are called in JSON console lines."""
