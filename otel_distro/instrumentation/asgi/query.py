"""The query string as it may be recorded: values of well-known secrets removed."""

from __future__ import annotations

MAX_TEXT = 2048
"""Longest path, query or header value of a request that is recorded."""

_SECRETS = frozenset(
    {
        "access_token",
        "api_key",
        "apikey",
        "auth",
        "authorization",
        "awsaccesskeyid",
        "client_secret",
        "code",
        "credential",
        "credentials",
        "id_token",
        "jwt",
        "key",
        "pass",
        "passwd",
        "password",
        "pwd",
        "refresh_token",
        "secret",
        "session",
        "sessionid",
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
_REMOVED = "[REDACTED]"


def without_secrets(query: bytes) -> str:
    """The query string as text, cut to `MAX_TEXT`, `[REDACTED]` in place of each well-known secret."""
    text = query[:MAX_TEXT].decode("utf-8", "replace")
    if "=" not in text:
        return text
    return "&".join([_shown(part) for part in text.split("&")])


def _shown(part: str) -> str:
    key, found, _ = part.partition("=")
    name = key.lower().replace("-", "_") if not key.lower().startswith("x-") else key.lower()
    return f"{key}={_REMOVED}" if found and name in _SECRETS else part
