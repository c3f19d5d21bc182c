"""HTTP server, WebSocket and HTTP client (OpenTelemetry's stable HTTP conventions)."""

from __future__ import annotations

from otel_distro.semconv._model import (
    DURATION_BUCKETS,
    SIZE_BUCKETS,
    Attribute,
    Event,
    Instrument,
    Kind,
    Metric,
    Source,
    Span,
)
from otel_distro.semconv.attributes import (
    ERROR_TYPE,
    EXEMPLAR,
    NETWORK_PROTOCOL_VERSION,
    SERVER_ADDRESS,
    SERVER_PORT,
    TRACE_CLASS,
    WORK,
)

ASGI_SCOPE = "otel_distro.asgi"
HTTPX_SCOPE = "otel_distro.httpx"

METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "QUERY", "_OTHER")
METHOD = Attribute("http.request.method", "Known method, else _OTHER", values=METHODS)
METHOD_ORIGINAL = Attribute("http.request.method_original", "The method when it is not a known one")
SCHEME = Attribute("url.scheme", "Scheme", values=("http", "https", "ws", "wss"))
ROUTE = Attribute(
    "http.route",
    "The route's template with its mounts, absent when nothing matched",
    bound="routes of the app",
)
STATUS = Attribute("http.response.status_code", "Status code", bound="HTTP status codes")
STREAMING = Attribute(
    "http.response.streaming",
    "Set when the body came in more than one part, or as events: latency objectives leave these out",
    values=("true",),
)
PATH = Attribute("url.path", "Path of the request", sensitive=True)
QUERY = Attribute("url.query", "Query string, values of secrets removed", sensitive=True)
FULL = Attribute("url.full", "URL called, without credentials and query values of secrets", sensitive=True)
CLIENT_ADDRESS = Attribute(
    "client.address", "Peer or trusted proxy's client, hashed where identities are", sensitive=True
)
USER_AGENT = Attribute("user_agent.original", "User-Agent header")
REQUEST_SIZE = Attribute("http.request.body.size", "Bytes of the request's body")
RESPONSE_SIZE = Attribute("http.response.body.size", "Bytes of the response's body")
FIRST_BYTE = Attribute("http.response.time_to_first_byte", "Seconds until the response's first byte")
REQUEST_HEADER = Attribute("http.request.header.<name>", "A captured request header")
RESPONSE_HEADER = Attribute("http.response.header.<name>", "A captured response header")
DURATION_MS = Attribute("duration_ms", "How long the request took, in milliseconds")
WS_CLOSE = Attribute("websocket.close_code", "Close code", bound="WebSocket close codes")
WS_RECEIVED = Attribute("websocket.messages.received", "Messages from the client")
WS_SENT = Attribute("websocket.messages.sent", "Messages to the client")
RESEND_COUNT = Attribute("http.request.resend_count", "Which attempt this is, from the second on")

_SERVER_KEY = (METHOD, SCHEME, ROUTE, STATUS, ERROR_TYPE, NETWORK_PROTOCOL_VERSION, STREAMING)
_CLIENT_KEY = (METHOD, SERVER_ADDRESS, SERVER_PORT, STATUS, ERROR_TYPE)


def _server(name: str, unit: str, brief: str, value: str, buckets: tuple[float, ...]) -> Metric:
    return Metric(name, Instrument.HISTOGRAM, unit, brief, _SERVER_KEY, buckets, Source(ASGI_SCOPE, Kind.SERVER, value))


SERVER_DURATION = _server(
    "http.server.request.duration", "s", "Duration of HTTP server requests", "duration", DURATION_BUCKETS
)
SERVER_FIRST_BYTE = _server(
    "http.server.response.time_to_first_byte",
    "s",
    "Time until a streamed response began",
    FIRST_BYTE.key,
    DURATION_BUCKETS,
)
SERVER_REQUEST_SIZE = _server(
    "http.server.request.body.size", "By", "Size of request bodies", REQUEST_SIZE.key, SIZE_BUCKETS
)
SERVER_RESPONSE_SIZE = _server(
    "http.server.response.body.size", "By", "Size of response bodies", RESPONSE_SIZE.key, SIZE_BUCKETS
)
SERVER_ACTIVE = Metric(
    "http.server.active_requests",
    Instrument.UPDOWNCOUNTER,
    "{request}",
    "Requests being answered now",
    (METHOD, SCHEME),
    observable=True,
)
CLIENT_DURATION = Metric(
    "http.client.request.duration",
    Instrument.HISTOGRAM,
    "s",
    "Duration of HTTP client requests",
    _CLIENT_KEY,
    DURATION_BUCKETS,
    Source(HTTPX_SCOPE, Kind.CLIENT),
)
WS_SCOPE = "otel_distro.websocket"
WS_DURATION = Metric(
    "websocket.server.connection.duration",
    Instrument.HISTOGRAM,
    "s",
    "How long WebSocket connections lasted",
    (SCHEME, ROUTE, WS_CLOSE, ERROR_TYPE),
    (0.1, 1.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 14400.0),
    Source(WS_SCOPE, Kind.SERVER),
)
WS_ACTIVE = Metric(
    "websocket.server.active_connections",
    Instrument.UPDOWNCOUNTER,
    "{connection}",
    "WebSocket connections open now",
    (SCHEME,),
    observable=True,
)
WS_MESSAGES_RECEIVED = Metric(
    "websocket.server.messages.received",
    Instrument.COUNTER,
    "{message}",
    "Messages received from WebSocket clients",
    (ROUTE,),
    source=Source(WS_SCOPE, Kind.SERVER, WS_RECEIVED.key),
)
WS_MESSAGES_SENT = Metric(
    "websocket.server.messages.sent",
    Instrument.COUNTER,
    "{message}",
    "Messages sent to WebSocket clients",
    (ROUTE,),
    source=Source(WS_SCOPE, Kind.SERVER, WS_SENT.key),
)
METRICS = (
    SERVER_DURATION,
    SERVER_FIRST_BYTE,
    SERVER_REQUEST_SIZE,
    SERVER_RESPONSE_SIZE,
    SERVER_ACTIVE,
    CLIENT_DURATION,
    WS_DURATION,
    WS_ACTIVE,
    WS_MESSAGES_RECEIVED,
    WS_MESSAGES_SENT,
)

_REQUEST = (
    METHOD,
    METHOD_ORIGINAL,
    SCHEME,
    ROUTE,
    STATUS,
    ERROR_TYPE,
    NETWORK_PROTOCOL_VERSION,
    PATH,
    QUERY,
    SERVER_ADDRESS,
    SERVER_PORT,
    CLIENT_ADDRESS,
    USER_AGENT,
    EXEMPLAR,
    TRACE_CLASS,
    REQUEST_HEADER,
    RESPONSE_HEADER,
    *WORK,
)
SPANS = (
    Span(
        ASGI_SCOPE,
        Kind.SERVER,
        "{method} {route}",
        "One HTTP request",
        (*_REQUEST, REQUEST_SIZE, RESPONSE_SIZE, FIRST_BYTE, STREAMING),
    ),
    Span(
        WS_SCOPE,
        Kind.SERVER,
        "WS {route}",
        "One WebSocket connection",
        (*_REQUEST, WS_CLOSE, WS_RECEIVED, WS_SENT),
    ),
    Span(
        HTTPX_SCOPE,
        Kind.CLIENT,
        "{method}",
        "One attempt of an outgoing HTTP request",
        (
            METHOD,
            METHOD_ORIGINAL,
            FULL,
            SERVER_ADDRESS,
            SERVER_PORT,
            STATUS,
            ERROR_TYPE,
            NETWORK_PROTOCOL_VERSION,
            RESEND_COUNT,
            EXEMPLAR,
        ),
    ),
)
REQUEST_COMPLETED = Event(
    "http.server.request_completed",
    "The access line, body `request_completed`: one per request that is not quiet",
    (METHOD, ROUTE, PATH, STATUS, ERROR_TYPE, DURATION_MS, RESPONSE_SIZE, CLIENT_ADDRESS, USER_AGENT),
)
CONNECTION_COMPLETED = Event(
    "websocket.server.connection_completed",
    "The access line of a WebSocket, body `connection_completed`",
    (ROUTE, PATH, WS_CLOSE, ERROR_TYPE, DURATION_MS, CLIENT_ADDRESS, USER_AGENT),
)
EVENTS = (REQUEST_COMPLETED, CONNECTION_COMPLETED)
