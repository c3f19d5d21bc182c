"""The transport seam: one payload to one endpoint, and what its answer means (OTLP/HTTP specification)."""

from __future__ import annotations

import http.client
import os
import zlib
from base64 import b64encode
from contextlib import suppress
from email.utils import parsedate_to_datetime
from enum import Enum
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from otel_distro._version import __version__
from otel_distro.exporter.connection import tls_context

if TYPE_CHECKING:
    from otel_distro.config import Otlp

_RETRYABLE = frozenset({429, 502, 503, 504})
_MAX_ANSWER = 65536
MAX_RETRY_AFTER = 300.0
"""Seconds that a receiver may ask us to wait."""
GZIP_BITS = 31
"""What makes zlib write and read gzip."""
USER_AGENT = f"otel-distro-python/{__version__}"


class Result(str, Enum):
    """What an export came to."""

    SUCCESS = "success"
    RETRY = "retry"
    FAILURE = "failure"


class Answer(NamedTuple):
    """The result, the seconds to wait before a retry (0: the sender decides), and the reason in words.

    A success may have `rejected` some of the items, with the receiver's words as the reason.
    """

    result: Result
    retry_after: float = 0.0
    reason: str = ""
    rejected: int = 0


class Transport(Protocol):
    """Sends one export request; the seam for tests and other protocols."""

    def send(self, payload: Any, timeout: float) -> Answer:
        """Send and say what came of it."""

    def reset(self) -> None:
        """In a forked child: forget the connection, which is the parent's."""

    def close(self) -> None:
        """Let go of the connection; the next send makes a new one."""


class HttpTransport:
    """OTLP/HTTP with protobuf over one kept-alive connection; used by one thread."""

    def __init__(self, settings: Otlp) -> None:
        parts = urlsplit(settings.endpoint)
        self.endpoint = shown(settings.endpoint)
        """Where to, as it may be shown: without credentials."""
        self._host = parts.hostname or ""
        self._port = parts.port
        self._path = parts.path + (f"?{parts.query}" if parts.query else "")
        self._context = tls_context(settings, "http/1.1") if parts.scheme == "https" else None
        self._compression = settings.compression
        self._headers = {**request_headers(settings), "content-type": "application/x-protobuf"}
        if self._compression != "none":
            self._headers["content-encoding"] = self._compression
        self._connection: http.client.HTTPConnection | None = None

    def send(self, payload: bytes, timeout: float) -> Answer:
        """POST the payload; a connection that the server had closed meanwhile is opened anew, once."""
        body = self._compressed(payload)
        reused = self._connection is not None
        try:
            return self._post(body, timeout)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not reused or isinstance(error, TimeoutError):
                return Answer(Result.RETRY, reason=self._reason(f": {str(error) or type(error).__name__}"))
        try:
            return self._post(body, timeout)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return Answer(Result.RETRY, reason=self._reason(f": {str(error) or type(error).__name__}"))

    def _reason(self, text: str) -> str:
        return f"{self.endpoint} (OTEL_EXPORTER_OTLP_ENDPOINT){text}"

    def _post(self, body: bytes, timeout: float) -> Answer:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._connect()
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        connection.request("POST", self._path, body, self._headers)
        response = connection.getresponse()
        answer = response.read(_MAX_ANSWER)
        if not response.isclosed():  # more than we read: the connection can't be used again
            self.close()
        if response.status < 300:  # noqa: PLR2004 - HTTP's classes
            return Answer(Result.SUCCESS)
        reason = self._reason(f" answered {response.status} {said(answer[:800].decode('utf-8', 'replace'))}")
        if response.status in _RETRYABLE:
            return Answer(Result.RETRY, _seconds(response.getheader("Retry-After")), reason)
        return Answer(Result.FAILURE, reason=reason)

    def _connect(self) -> http.client.HTTPConnection:
        if self._context is not None:
            return http.client.HTTPSConnection(self._host, self._port, context=self._context)
        return http.client.HTTPConnection(self._host, self._port)

    def _compressed(self, payload: bytes) -> bytes:
        if self._compression == "gzip":
            return gzipped(payload)
        if self._compression == "deflate":
            return zlib.compress(payload, 1)
        return payload

    def reset(self) -> None:
        """Close this process's copy of the connection, touching no lock that a thread of the parent may have held."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.sock is not None:
            os.close(connection.sock.detach())

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def shown(endpoint: str) -> str:
    """An endpoint without the credentials in it."""
    parts = urlsplit(endpoint)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def request_headers(settings: Otlp) -> dict[str, str]:
    """Who sends, the user's headers, and the credentials of the endpoint."""
    parts = urlsplit(settings.endpoint)
    headers = {"user-agent": USER_AGENT, **dict(settings.headers)}
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers.setdefault("authorization", f"Basic {b64encode(pair.encode()).decode()}")
    return headers


def gzipped(payload: bytes) -> bytes:
    """Packed by gzip, quickly."""
    packing = zlib.compressobj(1, zlib.DEFLATED, GZIP_BITS)
    return packing.compress(payload) + packing.flush()


def said(words: str) -> str:
    """What a receiver said, on one line that is not too long."""
    return " ".join(words[:200].split())


def _seconds(value: str | None) -> float:
    """A Retry-After header: seconds, or a date; 0 when there is none that can be read."""
    if not value:
        return 0.0
    with suppress(ValueError):
        return min(MAX_RETRY_AFTER, max(0.0, float(int(value))))
    with suppress(TypeError, ValueError):
        return min(MAX_RETRY_AFTER, max(0.0, parsedate_to_datetime(value).timestamp() - time()))
    return 0.0
