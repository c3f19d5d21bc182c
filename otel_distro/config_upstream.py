"""Variables that others read and we honour: the SDK, upstream's loader, and the upstream packages we stand in for."""

from __future__ import annotations

HONOURED: dict[str, str] = {
    "OTEL_SERVICE_NAME": "Name of the service",
    "OTEL_RESOURCE_ATTRIBUTES": "Attributes of the resource: service.version, deployment.environment.name, ...",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "Resource detectors by entry point",
    "OTEL_TRACES_SAMPLER": "Sampler: the SDK's, an entry point's, or otel_distro_ratio (consistent, in tracestate)",
    "OTEL_TRACES_SAMPLER_ARG": "Its argument, for example the ratio",
    "OTEL_PYTHON_ID_GENERATOR": "Generator of ids by entry point",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "Most attributes of a span",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "Most characters of a span attribute's value",
    "OTEL_SPAN_EVENT_COUNT_LIMIT": "Most events of a span",
    "OTEL_SPAN_LINK_COUNT_LIMIT": "Most links of a span",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": "Most attributes of an event",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": "Most attributes of a link",
    "OTEL_PYTHON_DISTRO": "Which distribution is loaded, where several are installed",
    "OTEL_PYTHON_CONFIGURATOR": "Which configurator is loaded, where several are installed",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "Instrumentations left out, by name; * for all",
    "OTEL_PYTHON_LOG_CORRELATION": "Put otelTraceID, otelSpanID, ... on log records and call basicConfig",
    "OTEL_PYTHON_LOG_FORMAT": "The format of that call",
    "OTEL_PYTHON_LOG_LEVEL": "The level of that call",
    "OTEL_PYTHON_EXCLUDED_URLS": "URLs without any telemetry, as regular expressions",
    "OTEL_PYTHON_FASTAPI_EXCLUDED_URLS": "The same for FastAPI alone",
    "OTEL_PYTHON_HTTPX_EXCLUDED_URLS": "The same for calls by httpx",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": "Request headers recorded on the server span",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE": "Response headers recorded on the server span",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST": "Request headers recorded on httpx's client span",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE": "Response headers recorded on httpx's client span",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS": "Captured headers whose values are hidden",
}
"""By name: what it sets."""
