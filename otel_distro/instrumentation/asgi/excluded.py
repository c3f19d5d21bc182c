"""Requests that get no telemetry at all, by upstream's excluded-URL variables and options."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from opentelemetry.context import (
    _SUPPRESS_HTTP_INSTRUMENTATION_KEY,
    _SUPPRESS_INSTRUMENTATION_KEY,
    attach,
    detach,
    set_value,
)

from otel_distro import config
from otel_distro.context.current import get_current
from otel_distro.instrumentation.asgi.scope import MARK

if TYPE_CHECKING:
    from otel_distro.instrumentation.asgi.scope import Receive, Scope, Send

_logger = logging.getLogger("otel_distro")
_VARIABLES = ("OTEL_PYTHON_FASTAPI_EXCLUDED_URLS", "OTEL_PYTHON_EXCLUDED_URLS")
_PLAIN_KEY = "suppress_instrumentation"
_SUPPRESSING = (_SUPPRESS_INSTRUMENTATION_KEY, _PLAIN_KEY, _SUPPRESS_HTTP_INSTRUMENTATION_KEY)


class ExcludedUrls:
    """Regular expressions that are searched in a request's URL, divided by commas."""

    __slots__ = ("_search",)

    def __init__(self, pattern: str) -> None:
        self._search = re.compile(pattern).search

    def url_disabled(self, url: str) -> bool:
        """Whether the URL is excluded (upstream's name for the question)."""
        return self._search(url) is not None


def excluded_urls(given: Any = None) -> Any:
    """What `excluded_urls=` says (text, or upstream's object), else the variables; None when empty."""
    if given is not None and not isinstance(given, str):
        return given
    where = "excluded_urls"
    if given is None:
        set_ = [(name, text) for name in _VARIABLES if (text := config.environment(name))]
        where, given = set_[0] if set_ else ("", "")
    parts = [part.strip() for part in given.split(",") if part.strip()]
    try:
        return ExcludedUrls("|".join(parts)) if parts else None
    except re.error as error:
        _logger.warning("%s=%r is ignored: %s", where, given[:100], error)
        return None


def url_of(scope: Scope) -> str:
    """Scheme, host and path of a request, as upstream matches it."""
    host = next((value for key, value in scope["headers"] if key == b"host"), b"").decode("latin-1")
    if not host:
        address, port = scope.get("server") or ("0.0.0.0", 80)  # noqa: S104 - upstream's word for unknown
        host = address if port == 80 else f"{address}:{port}"  # noqa: PLR2004 - the port that a URL leaves out
    return f"{scope.get('scheme', 'http')}://{host}{scope.get('path', '')}"


def suppressed() -> bool:
    """Whether instrumentation is suppressed where we are."""
    current = get_current()
    return bool(current) and any(current.get(key) for key in _SUPPRESSING)


class Excluded:
    """An excluded request: every instrumentation inside of it is suppressed, the app sees nothing of us."""

    __slots__ = ("_token",)

    def __init__(self, scope: Scope) -> None:
        scope[MARK] = None
        self._token = attach(set_value(_PLAIN_KEY, True, set_value(_SUPPRESS_INSTRUMENTATION_KEY, True)))  # noqa: FBT003 - the API's flags

    def channels(self, receive: Receive, send: Send) -> tuple[Receive, Send]:
        """The server's own."""
        return receive, send

    def failed(self, error: BaseException) -> None:
        """Not recorded."""

    def end(self) -> None:
        """Leave the context as it was."""
        detach(self._token)
