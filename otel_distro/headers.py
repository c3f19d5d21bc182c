"""HTTP headers captured as span attributes, by upstream's variables and options; values of secret ones never."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, NamedTuple

from otel_distro import config
from otel_distro.redaction import REMOVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Names = Sequence[str] | None

_logger = logging.getLogger("otel_distro")
_PREFIX = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"
_SANITIZE = f"{_PREFIX}SANITIZE_FIELDS"
_ALWAYS_SECRET = ("authorization", "proxy-authorization", "cookie", "set-cookie")
_MAX_NAMES = 512


class HeaderCapture:
    """Names to capture (regular expressions, any case), and names whose values are never shown."""

    __slots__ = ("_captured", "_known", "_max_text", "_prefix", "_secret")

    def __init__(self, prefix: str, captured: re.Pattern[str], secret: re.Pattern[str], max_text: int) -> None:
        self._prefix = prefix
        self._captured = captured
        self._secret = secret
        self._max_text = max_text
        self._known: dict[bytes, tuple[str, bool] | None] = {}

    def attributes(self, headers: Iterable[tuple[bytes, bytes]]) -> dict[str, list[str]]:
        """A list of values for each captured header, under `http.request.header.<name>` or likewise."""
        found: dict[str, list[str]] = {}
        for name, value in headers:
            known = self._known[name] if name in self._known else self._learn(name)
            if known is not None:
                key, secret = known
                text = REMOVED if secret else value[: self._max_text].decode("latin-1")
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


class Side(NamedTuple):
    """Whose headers: `SERVER` or `CLIENT` as in upstream's variables, and how much of a value is recorded."""

    name: str
    max_text: int

    def request(self, given: Names = None, secret: Names = None) -> HeaderCapture | None:
        """Which request headers to capture: those given, else those of the variable; None: none."""
        return self._capture("request", given, secret)

    def response(self, given: Names = None, secret: Names = None) -> HeaderCapture | None:
        """Which response headers to capture: those given, else those of the variable; None: none."""
        return self._capture("response", given, secret)

    def _capture(self, kind: str, given: Names, secret: Names) -> HeaderCapture | None:
        variable = f"{_PREFIX}{self.name}_{kind.upper()}"
        names = given or _list(variable)
        if not names:
            return None
        captured = _pattern(variable, names)
        hidden = _pattern(_SANITIZE, (*_ALWAYS_SECRET, *(secret or _list(_SANITIZE))))
        if captured is None:
            return None
        hidden = hidden or re.compile("")  # when in doubt, all values are hidden
        return HeaderCapture(f"http.{kind}.header", captured, hidden, self.max_text)


def _list(variable: str) -> list[str]:
    return [part.strip() for part in config.environment(variable).split(",") if part.strip()]


def _pattern(variable: str, parts: Iterable[str]) -> re.Pattern[str] | None:
    try:
        return re.compile("|".join(parts), re.IGNORECASE)
    except re.error as error:
        _logger.warning("%s is ignored: %s", variable, error)
        return None
