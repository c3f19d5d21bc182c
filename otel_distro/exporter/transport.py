"""The transport seam: one payload to one endpoint, and what its answer means (OTLP/HTTP specification)."""

from __future__ import annotations

import zlib
from base64 import b64encode
from contextlib import suppress
from email.utils import parsedate_to_datetime
from enum import Enum
from http.client import BadStatusLine, HTTPConnection, HTTPException, HTTPSConnection
from time import monotonic, time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from otel_distro._version import __version__
from otel_distro.exporter.connection import connect, tls_context
from otel_distro.exporter.fields import partial_success, status_message
from otel_distro.redaction import endpoint_without_secrets, path_secrets, secrets_in, without

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPResponse

    from otel_distro.config_otlp import Otlp

_RETRYABLE = frozenset({429, 502, 503, 504})
_SUCCESS = range(200, 300)
_BAD_REQUEST, _TOO_LARGE = 400, 413
_MAX_ANSWER = 65536
_LAST_WORDS = 1.0
"""Seconds that the rest of an answer may take whose status is known."""
MAX_RETRY_AFTER = 300.0
"""Seconds that a receiver may ask us to wait."""
GZIP_BITS = 31
"""What makes zlib write and read gzip."""
_NOTHING: Mapping[str, int] = MappingProxyType({})
USER_AGENT = f"otel-distro-python/{__version__}"


class Result(str, Enum):
    """What an export came to; TOO_LARGE is for `SplittingTransport`, no sender is told of it."""

    SUCCESS = "success"
    RETRY = "retry"
    FAILURE = "failure"
    TOO_LARGE = "too_large"


class Answer(NamedTuple):
    """The result, the seconds to wait before a retry (0: the sender decides), and the reason in words.

    `lost`: how many of the items are lost by which cause, also of a success; without it a failure lost them all.
    """

    result: Result
    retry_after: float = 0.0
    reason: str = ""
    lost: Mapping[str, int] = _NOTHING


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
        self._secrets = secrets_of(settings)
        self._named = named(settings)
        if self._compression != "none":
            self._headers["content-encoding"] = self._compression
        self._connection: HTTPConnection | None = None

    def send(self, payload: bytes, timeout: float) -> Answer:
        """POST the payload; a connection that the server had closed meanwhile is opened anew, once."""
        deadline = monotonic() + timeout
        body = self._compressed(payload)
        if self._connection is not None and self._connection.sock is None:
            self._connection = None
        reused = self._connection is not None
        while True:
            try:
                return told(self._post(body, deadline), self._secrets)
            except (OSError, ValueError, HTTPException) as error:
                self.close()
                if not reused or isinstance(error, TimeoutError):
                    return Answer(Result.RETRY, reason=self._reason(f": {_words(error)}"))
            reused = False

    def _reason(self, text: str) -> str:
        return f"{self._named}{text}"

    def _post(self, body: bytes, deadline: float) -> Answer:
        http = self._connection
        if http is None:
            http = self._connection = self._connect(deadline)
        connection: Any = http.sock
        connection.begin(deadline)
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before it had read all
            http.request("POST", self._path, body, self._headers)
        response = http.getresponse()
        connection.begin(min(deadline, monotonic() + _LAST_WORDS))
        said_more = b""
        with suppress(OSError, HTTPException):  # the status is the answer, whatever becomes of the words
            said_more = response.read(_MAX_ANSWER)
        if not response.isclosed():  # more than we read: the connection can't be used again
            self.close()
        return self._answer(response, said_more)

    def _answer(self, response: HTTPResponse, body: bytes) -> Answer:
        status, kind = response.status, response.getheader("Content-Type") or ""
        protobuf = "protobuf" in kind
        if status in _SUCCESS:
            if "html" in kind or body[:1] == b"<":
                return Answer(Result.FAILURE, reason=self._reason(f" answered {status} with a web page"))
            return success(body if protobuf else b"")
        words = (status_message(body) if protobuf else "") or body[:800].decode("utf-8", "replace")
        reason = self._reason(f" answered {said(f'{status} {words}')}{_hint(response)}")
        if status in _RETRYABLE:
            return Answer(Result.RETRY, _seconds(response.getheader("Retry-After")), reason)
        too_large = status == _TOO_LARGE or (status == _BAD_REQUEST and "too large" in words)  # so says the Collector
        return Answer(Result.TOO_LARGE if too_large else Result.FAILURE, reason=reason)

    def _connect(self, deadline: float) -> HTTPConnection:
        http = HTTPConnection(self._host, self._port)
        if self._context is not None:
            http = HTTPSConnection(self._host, self._port, context=self._context)
        http.auto_open = 0  # it would do without our deadline
        http.sock = connect(self._host, http.port, self._context, deadline)
        return http

    def _compressed(self, payload: bytes) -> bytes:
        if self._compression == "gzip":
            return gzipped(payload)
        if self._compression == "deflate":
            return zlib.compress(payload, 1)
        return payload

    def reset(self) -> None:
        """Close this process's copy of the connection, touching no lock that a thread of the parent may have held."""
        http, self._connection = self._connection, None
        if http is not None and http.sock is not None:
            connection: Any = http.sock
            connection.abandon()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def lost(answer: Answer, items: int) -> dict[str, int]:
    """How many of a batch's items an answer loses, by cause; no receiver can reject more than there were."""
    if answer.lost:
        return {cause: min(count, items) for cause, count in answer.lost.items()}
    cause = {Result.FAILURE: "refused", Result.TOO_LARGE: "too_large"}.get(answer.result)
    return {cause: items} if cause else {}


def success(response: bytes) -> Answer:
    """The answer that an export response gives: items that the receiver rejected are lost, its words the reason."""
    partial = partial_success(response)
    lost = {"rejected": partial.rejected} if partial.rejected else _NOTHING
    return Answer(Result.SUCCESS, reason=said(partial.message), lost=lost)


def shown(endpoint: str) -> str:
    """An endpoint without the credentials in it."""
    return endpoint_without_secrets(endpoint)


def named(settings: Otlp) -> str:
    """An endpoint for a line in the log, with what gave it."""
    return f"{shown(settings.endpoint)} ({settings.named_by or 'the default of OTEL_EXPORTER_OTLP_ENDPOINT'})"


def request_headers(settings: Otlp) -> dict[str, str]:
    """Who sends, the user's headers, and the credentials of the endpoint."""
    parts = urlsplit(settings.endpoint)
    headers = {"user-agent": USER_AGENT, **dict(settings.headers)}
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers.setdefault("authorization", f"Basic {b64encode(pair.encode()).decode()}")
    return headers


def secrets_of(settings: Otlp) -> tuple[str, ...]:
    """What a receiver may repeat and we do not: what the headers say, and tokens in the endpoint's path."""
    said = [value for name, value in request_headers(settings).items() if name != "user-agent"]
    return secrets_in([*said, *path_secrets(urlsplit(settings.endpoint).path)])


def told(answer: Answer, secrets: tuple[str, ...]) -> Answer:
    """An answer whose words repeat no secret."""
    return answer._replace(reason=without(answer.reason, secrets)) if answer.reason else answer


def gzipped(payload: bytes) -> bytes:
    """Packed by gzip, quickly."""
    packing = zlib.compressobj(1, zlib.DEFLATED, GZIP_BITS)
    return packing.compress(payload) + packing.flush()


def said(words: str) -> str:
    """What a receiver said, on one line that is not too long."""
    return " ".join("".join(c if c.isprintable() else " " for c in words[:200]).split())


def _words(error: Exception) -> str:
    """An error in words."""
    if isinstance(error, BadStatusLine):
        hint = ": is that the port for grpc?" if "\0" in str(error) else ""
        return f"it does not speak HTTP{hint}"
    return str(error) or type(error).__name__


def _hint(response: HTTPResponse) -> str:
    """What to look at, where a status says it."""
    if response.status in {401, 403}:
        return " (OTEL_EXPORTER_OTLP_HEADERS)"
    location = response.getheader("Location")
    return f" (not followed: {shown(location[:200])})" if location else ""


def _seconds(value: str | None) -> float:
    """A Retry-After header: seconds, or a date; 0 when there is none that can be read."""
    if not value:
        return 0.0
    with suppress(ValueError):
        return min(MAX_RETRY_AFTER, max(0.0, float(int(value))))
    with suppress(TypeError, ValueError):
        return min(MAX_RETRY_AFTER, max(0.0, parsedate_to_datetime(value).timestamp() - time()))
    return 0.0
