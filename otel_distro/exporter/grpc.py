"""OTLP/gRPC: export requests as unary calls over one HTTP/2 connection, without gRPC's own library.

That library can't be used in a child of a process that used it (docs/decisions/0002-grpc-without-grpcio.md).
"""

from __future__ import annotations

import zlib
from base64 import b64decode
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from otel_distro.exporter.connection import connect, tls_context
from otel_distro.exporter.fields import retry_delay
from otel_distro.exporter.http2 import Http2
from otel_distro.exporter.transport import (
    GZIP_BITS,
    MAX_RETRY_AFTER,
    Answer,
    Result,
    gzipped,
    named,
    request_headers,
    said,
    secrets_of,
    shown,
    success,
    told,
)

if TYPE_CHECKING:
    from otel_distro.config_otlp import Otlp
    from otel_distro.exporter.http2 import Reply

_SERVICES = {
    "traces": "trace.v1.TraceService",
    "metrics": "metrics.v1.MetricsService",
    "logs": "logs.v1.LogsService",
}
_CODES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""By number."""
_RETRYABLE = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"})
_OF_HTTP = {
    "400": "INTERNAL",
    "401": "UNAUTHENTICATED",
    "403": "PERMISSION_DENIED",
    "404": "UNIMPLEMENTED",
    "429": "UNAVAILABLE",
    "502": "UNAVAILABLE",
    "503": "UNAVAILABLE",
    "504": "UNAVAILABLE",
}
"""The code of an answer that is not gRPC's: a proxy's."""
_HINTS = dict.fromkeys(("UNAUTHENTICATED", "PERMISSION_DENIED"), " (OTEL_EXPORTER_OTLP_HEADERS)")
_OURS = frozenset(
    {"connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"}
)
_MAX_ANSWER = 65536
_PREFIX = 5


class GrpcTransport:
    """OTLP/gRPC over one connection that is kept; used by one thread."""

    def __init__(self, settings: Otlp, signal: str) -> None:
        parts = urlsplit(settings.endpoint)
        self.endpoint = shown(settings.endpoint)
        """Where to, as it may be shown: without credentials."""
        self._host = parts.hostname or ""
        secure = parts.scheme == "https"
        self._port = parts.port or (443 if secure else 80)
        self._context = tls_context(settings, "h2") if secure else None
        self._gzip = settings.compression == "gzip"
        headers = [
            (":method", "POST"),
            (":scheme", parts.scheme),
            (":path", f"/opentelemetry.proto.collector.{_SERVICES[signal]}/Export"),
            (":authority", parts.netloc.rpartition("@")[2]),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("grpc-accept-encoding", "identity,gzip"),
            *([("grpc-encoding", "gzip")] if self._gzip else []),
            *((name, value) for name, value in request_headers(settings).items() if _may_be_sent(name)),
        ]
        self._headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self._secrets = secrets_of(settings)
        self._named = named(settings)
        self._http2: Http2 | None = None

    def send(self, payload: bytes, timeout: float) -> Answer:
        """Call `Export`; a connection that the server had left meanwhile is opened anew, once."""
        deadline = monotonic() + timeout
        message = _message(payload, compress=self._gzip)
        reused = self._http2 is not None
        while True:
            try:
                return told(self._call(message, deadline), self._secrets)
            except (OSError, ValueError) as error:
                self.close()
                if not reused or isinstance(error, TimeoutError):
                    return self._failed(error)
            reused = False

    def _failed(self, error: Exception) -> Answer:
        return Answer(Result.RETRY, reason=self._reason(f": {str(error) or type(error).__name__}"))

    def _reason(self, text: str) -> str:
        return f"{self._named}{text}"

    def _call(self, message: bytes, deadline: float) -> Answer:
        if self._http2 is not None:
            self._http2.connection.begin(deadline)
            if not self._http2.usable():
                self.close()
        if self._http2 is None:
            self._http2 = Http2(connect(self._host, self._port, self._context, deadline))
            self._http2.connection.begin(deadline)
        milliseconds = max(1, int((deadline - monotonic()) * 1000))
        reply = self._http2.call([*self._headers, (b"grpc-timeout", b"%dm" % milliseconds)], message)
        return self._answer(reply)

    def _answer(self, reply: Reply) -> Answer:
        headers = reply.headers
        if reply.reset is not None and "grpc-status" not in headers:
            return self._failed(OSError(f"it gave up the call with HTTP/2's code {reply.reset}"))
        name, words = _status(headers)
        if name == "OK":
            return success(_body(reply))
        reason = self._reason(f" answered {said(f'{name} {words}')}{_HINTS.get(name, '')}")
        delay = retry_delay(_binary(headers.get("grpc-status-details-bin", "")))
        if (name == "RESOURCE_EXHAUSTED" and delay is None) or (name == "OUT_OF_RANGE" and "too large" in words):
            return Answer(Result.TOO_LARGE, reason=reason)
        if name in _RETRYABLE or name == "RESOURCE_EXHAUSTED":
            return Answer(Result.RETRY, min(delay or 0.0, MAX_RETRY_AFTER), reason)
        return Answer(Result.FAILURE, reason=reason)

    def reset(self) -> None:
        """Close this process's copy of the connection, touching no lock that a thread of the parent may have held."""
        http2, self._http2 = self._http2, None
        if http2 is not None:
            http2.connection.abandon()

    def close(self) -> None:
        """Close the connection."""
        http2, self._http2 = self._http2, None
        if http2 is not None:
            http2.connection.close()


def _may_be_sent(name: str) -> bool:
    """Whether a header of the user's is not HTTP/2's or gRPC's own."""
    return name not in _OURS and not name.startswith(("content-", "grpc-"))


def _message(payload: bytes, *, compress: bool) -> bytes:
    """A message as gRPC frames it: whether it is compressed, its length, and itself."""
    if compress:
        payload = gzipped(payload)
    return bytes((compress,)) + len(payload).to_bytes(4, "big") + payload


def _body(reply: Reply) -> bytes:
    """The one message of an answer; what can't be read is an empty one, which says that all is well."""
    message = reply.body[_PREFIX : _PREFIX + int.from_bytes(reply.body[1:_PREFIX], "big")]
    if reply.body[:1] == b"\x01":
        with suppress(zlib.error):
            return zlib.decompressobj(GZIP_BITS).decompress(message, _MAX_ANSWER)
        return b""
    return message


def _status(headers: dict[str, str]) -> tuple[str, str]:
    """The status code's name, and the receiver's words."""
    code, http = headers.get("grpc-status"), headers.get(":status", "")
    if code is None:
        return _OF_HTTP.get(http, "UNKNOWN"), f"HTTP {http}"
    known = code.isdecimal() and len(code) < 3 and int(code) < len(_CODES)  # noqa: PLR2004 - two digits are enough
    return _CODES[int(code)] if known else "UNKNOWN", unquote(headers.get("grpc-message", ""))


def _binary(value: str) -> bytes:
    """A header of bytes: base64, whose padding may be left out."""
    with suppress(ValueError):
        return b64decode(value + "=" * (-len(value) % 4))
    return b""
