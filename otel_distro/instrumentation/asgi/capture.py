"""Headers captured as span attributes, by upstream's variables and options."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from otel_distro import config
from otel_distro.instrumentation.asgi.query import MAX_TEXT
from otel_distro.redaction import REMOVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Names = Sequence[str] | None

_logger = logging.getLogger("otel_distro")
_PREFIX = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"
_REQUEST = f"{_PREFIX}SERVER_REQUEST"
_RESPONSE = f"{_PREFIX}SERVER_RESPONSE"
_SANITIZE = f"{_PREFIX}SANITIZE_FIELDS"
_ALWAYS_SECRET = ("authorization", "proxy-authorization", "cookie", "set-cookie")
_MAX_NAMES = 512


class HeaderCapture:
    """Names to capture (regular expressions, any case), and names whose values are never shown."""

    __slots__ = ("_captured", "_known", "_prefix", "_secret")

    def __init__(self, prefix: str, captured: re.Pattern[str], secret: re.Pattern[str]) -> None:
        self._prefix = prefix
        self._captured = captured
        self._secret = secret
        self._known: dict[bytes, tuple[str, bool] | None] = {}

    def attributes(self, headers: Iterable[tuple[bytes, bytes]]) -> dict[str, list[str]]:
        """A list of values for each captured header, under `http.request.header.<name>` or likewise."""
        found: dict[str, list[str]] = {}
        for name, value in headers:
            known = self._known[name] if name in self._known else self._learn(name)
            if known is not None:
                key, secret = known
                text = REMOVED if secret else value[:MAX_TEXT].decode("latin-1")
                found.setdefault(key, []).append(text)
        return found

    def _learn(self, raw: bytes) -> tuple[str, bool] | None:
        name = raw.decode("latin-1").lower()
        known = None
        if self._captured.fullmatch(name):
            known = f"{self._prefix}.{name}", bool(self._secret.search(name))
        if len(self._known) < _MAX_NAMES:
            self._known[raw] = known
        return known


def request_capture(given: Names = None, secret: Names = None) -> HeaderCapture | None:
    """Which request headers to capture: those given, else those of the variable."""
    return _capture("http.request.header", _REQUEST, given, secret)


def response_capture(given: Names = None, secret: Names = None) -> HeaderCapture | None:
    """Which response headers to capture: those given, else those of the variable."""
    return _capture("http.response.header", _RESPONSE, given, secret)


def _capture(prefix: str, variable: str, given: Any, secret: Any) -> HeaderCapture | None:
    names = given or _list(variable)
    if not names:
        return None
    captured = _pattern(variable, names)
    hidden = _pattern(_SANITIZE, (*_ALWAYS_SECRET, *(secret or _list(_SANITIZE))))
    if captured is None:
        return None
    return HeaderCapture(prefix, captured, hidden or re.compile(""))  # when in doubt, all values are hidden


def _list(variable: str) -> list[str]:
    return [part.strip() for part in config.environment(variable).split(",") if part.strip()]


def _pattern(variable: str, parts: Iterable[str]) -> re.Pattern[str] | None:
    try:
        return re.compile("|".join(parts), re.IGNORECASE)
    except re.error as error:
        _logger.warning("%s is ignored: %s", variable, error)
        return None
