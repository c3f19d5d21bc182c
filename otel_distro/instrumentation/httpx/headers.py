"""Headers captured as span attributes, by upstream's variables for clients."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from otel_distro import config
from otel_distro.redaction import REMOVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_logger = logging.getLogger("otel_distro")
_PREFIX = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"
_SANITIZE = f"{_PREFIX}SANITIZE_FIELDS"
_ALWAYS_SECRET = ("authorization", "proxy-authorization", "cookie", "set-cookie")
_MAX_TEXT = 1024


class HeaderCapture:
    """Names to capture (regular expressions, any case), and names whose values are never shown."""

    __slots__ = ("_captured", "_prefix", "_secret")

    def __init__(self, prefix: str, captured: re.Pattern[str], secret: re.Pattern[str]) -> None:
        self._prefix = prefix
        self._captured = captured
        self._secret = secret

    def attributes(self, headers: Iterable[tuple[bytes, bytes]]) -> dict[str, list[str]]:
        """A list of values for each captured header, under `http.request.header.<name>` or likewise."""
        found: dict[str, list[str]] = {}
        for raw, value in headers:
            name = raw.decode("latin-1").lower()
            if self._captured.fullmatch(name):
                text = REMOVED if self._secret.search(name) else value[:_MAX_TEXT].decode("latin-1")
                found.setdefault(f"{self._prefix}.{name}", []).append(text)
        return found


def request_capture() -> HeaderCapture | None:
    """Which headers of requests to capture; None: none."""
    return _capture("http.request.header", f"{_PREFIX}CLIENT_REQUEST")


def response_capture() -> HeaderCapture | None:
    """Which headers of responses to capture; None: none."""
    return _capture("http.response.header", f"{_PREFIX}CLIENT_RESPONSE")


def _capture(prefix: str, variable: str) -> HeaderCapture | None:
    names = _list(variable)
    if not names:
        return None
    captured = _pattern(variable, names)
    if captured is None:
        return None
    secret = _pattern(_SANITIZE, (*_ALWAYS_SECRET, *_list(_SANITIZE)))
    return HeaderCapture(prefix, captured, secret or re.compile(""))  # when in doubt, all values are hidden


def _list(variable: str) -> list[str]:
    return [part.strip() for part in config.environment(variable).split(",") if part.strip()]


def _pattern(variable: str, parts: Sequence[str]) -> re.Pattern[str] | None:
    try:
        return re.compile("|".join(parts), re.IGNORECASE)
    except re.error as error:
        _logger.warning("%s is ignored: %s", variable, error)
        return None
