"""What of a URL may be recorded: no credentials, no values of secret query keys."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from httpx import URL

REDACTED = "REDACTED"
SECRET_KEYS = frozenset(
    {
        "access_key",
        "access_token",
        "api-key",
        "api_key",
        "apikey",
        "auth",
        "authorization",
        "awsaccesskeyid",
        "client_secret",
        "code",
        "id_token",
        "jwt",
        "key",
        "password",
        "passwd",
        "pwd",
        "refresh_token",
        "secret",
        "session",
        "sig",
        "signature",
        "token",
        "x-amz-credential",
        "x-amz-security-token",
        "x-amz-signature",
        "x-goog-credential",
        "x-goog-signature",
    }
)
"""Query keys, in lower case, whose values are never recorded."""

DEFAULT_PORTS = {"http": 80, "https": 443}


def recordable(url: URL, host: str) -> str:
    """`url.full` of a request: scheme, host, port when it is not the scheme's, path, query."""
    port = "" if url.port is None else f":{url.port}"
    target = url.raw_path.decode("ascii", "replace")
    path, mark, query = target.partition("?")
    shown = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{shown}{port}{path}{mark}{without_secrets(query) if query else ''}"


def without_secrets(query: str) -> str:
    """A query string with the values of secret keys replaced."""
    return "&".join([_pair(pair) for pair in query.split("&")])


def _pair(pair: str) -> str:
    key, equals, _value = pair.partition("=")
    name = unquote_plus(key) if "%" in key or "+" in key else key
    return f"{key}={REDACTED}" if equals and name.lower() in SECRET_KEYS else pair
