"""What a request brings: the headers we read, its trace context and its request id, well-formed or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opentelemetry import baggage, propagate, trace
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import INVALID_SPAN, Link

from otel_distro.context import request_id
from otel_distro.context.current import get_current
from otel_distro.guard import guard
from otel_distro.record import Exact
from otel_distro.semconv.attributes import NETWORK_PROTOCOL_VERSION, REQUEST_ID, SERVER_ADDRESS, SERVER_PORT
from otel_distro.semconv.http import METHOD, SCHEME, USER_AGENT

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from opentelemetry.context import Context
    from opentelemetry.propagators.textmap import TextMapPropagator
    from opentelemetry.trace import SpanContext

    from otel_distro.instrumentation.asgi.scope import Scope

    Found = dict[bytes, bytes]
    Headers = Collection[tuple[bytes, bytes]]

_READ = frozenset({*request_id.HEADERS_IN, b"content-length", b"host", b"user-agent"})
_REQUEST_IDS = frozenset(request_id.HEADERS_IN)
_MAX_HOST = 255
_MAX_REPEATED = 1024
_MAX_TEXT = 2048
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_EXTRACT = guard("asgi.extract")


class HeadersGetter(Getter["Headers"]):
    """Reads ASGI headers; several fields of one name are one list, as HTTP says."""

    def get(self, carrier: Headers, key: str) -> list[str] | None:
        """The header's value, or None."""
        name = key.lower().encode("latin-1", "replace")
        values = [value.decode("latin-1") for field, value in carrier if field == name]
        return [",".join(values)] if values else None

    def keys(self, carrier: Headers) -> list[str]:
        """The names of all headers."""
        return [field.decode("latin-1") for field, _ in carrier]


_GETTER = HeadersGetter()


class Inbound:
    """Reads headers in one pass; asks the global propagator only when one of its headers is there."""

    __slots__ = ("_fields", "_link", "_read", "_repeated", "_textmap")

    def __init__(self, *, link: bool) -> None:
        self._link = link
        self._textmap: TextMapPropagator | None = None
        self._fields: frozenset[bytes] = frozenset()
        self._read = _READ
        self._repeated: dict[tuple[Any, ...], Exact] = {}

    def read(self, headers: Headers) -> Found:
        """The headers. Repeated ones of ours are joined by commas, which no id and no traceparent survives."""
        if propagate.get_global_textmap() is not self._textmap:
            self._learn()
        found: Found = dict(headers)
        return found if len(found) == len(headers) else self._joined(headers)

    def _joined(self, headers: Headers) -> Found:
        read = self._read
        found: Found = {}
        for name, value in headers:
            if name in read:
                found[name] = found[name] + b"," + value if name in found else value
        return found

    def _learn(self) -> None:
        self._textmap = propagate.get_global_textmap()
        self._fields = frozenset(field.lower().encode() for field in self._textmap.fields)
        self._read = _READ | self._fields

    def context(self, found: Found, headers: Headers) -> tuple[Context, Sequence[Link] | None]:
        """Where to start the server span, and its links. A span that is being recorded here is the parent."""
        current = get_current()
        if self._fields.isdisjoint(found) or (current and trace.get_current_span(current).is_recording()):
            return current, None
        context = current
        with _EXTRACT:
            context = propagate.extract(headers, current, _GETTER)
        remote = trace.get_current_span(context).get_span_context()
        if not self._link or not remote.is_valid:
            return context, None
        return trace.set_span_in_context(INVALID_SPAN, context), [Link(remote)]

    def repeated(self, scope: Scope, scheme: str, method: str | None, found: Found) -> Exact:
        """The attributes that come again and again: by method, scheme, protocol version, host and user agent."""
        version, host, agent = scope.get("http_version"), found.get(b"host"), found.get(b"user-agent")
        key = (method, scheme, version, host, agent)
        known = self._repeated.get(key)
        if known is None:
            known = _described(*key)
            if len(self._repeated) >= _MAX_REPEATED:
                self._repeated.clear()
            if host is None or agent is None or len(host) + len(agent) < _MAX_TEXT:
                self._repeated[key] = known
        return known


def _described(method: str | None, scheme: str, version: str | None, host: bytes | None, agent: bytes | None) -> Exact:
    attributes: dict[str, str | int] = {SCHEME.key: scheme}
    if method is not None:
        attributes[METHOD.key] = method
    if version:
        attributes[NETWORK_PROTOCOL_VERSION.key] = version
    server = None if host is None else _host_and_port(host, scheme)
    if server is not None:
        attributes[SERVER_ADDRESS.key], attributes[SERVER_PORT.key] = server
    if agent is not None:
        attributes[USER_AGENT.key] = agent[:_MAX_TEXT].decode("latin-1")
    return Exact(attributes)


def request_id_of(found: Found, context: Context, span: SpanContext) -> str:
    """A valid incoming id, else the baggage's, else the trace id."""
    if not _REQUEST_IDS.isdisjoint(found):
        for name in request_id.HEADERS_IN:
            value = found.get(name)
            if value is not None and (accepted := request_id.accept(value)):
                return accepted
    if context:
        carried = baggage.get_baggage(REQUEST_ID.key, context)
        if isinstance(carried, str) and (accepted := request_id.accept(carried.encode("utf-8", "replace"))):
            return accepted
    return f"{span.trace_id:032x}"


def content_length(found: Found) -> int | None:
    """The length that the request declares."""
    value = found.get(b"content-length")
    return int(value) if value is not None and value.isdigit() and len(value) < 19 else None  # noqa: PLR2004 - digits of an int64


def _host_and_port(host: bytes, scheme: str) -> tuple[str, int] | None:
    if len(host) > _MAX_HOST:
        return None
    try:
        parts = urlsplit(f"//{host.decode('ascii')}")
        name, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not name or parts.path or parts.query or parts.fragment or parts.username is not None:
        return None
    return name, port or _PORTS.get(scheme, 80)
