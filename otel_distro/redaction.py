"""Pure functions that remove secrets from values: of URLs for now, the full rule set is an issue of its own."""

from __future__ import annotations

from urllib.parse import unquote_plus

REMOVED = "REDACTED"
"""What stands in place of a removed value, as the semantic conventions ask for URLs."""

SECRET_KEYS = frozenset(
    {
        "access_key",
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
        "x_amz_credential",
        "x_amz_security_token",
        "x_amz_signature",
        "x_goog_credential",
        "x_goog_signature",
    }
)
"""Keys whose values are never recorded; in lower case, with _ for -."""


def query_without_secrets(query: str) -> str:
    """A query string with `REDACTED` in place of the value of each secret key, however it is spelt or escaped."""
    if "=" not in query:
        return query
    return "&".join([_pair(pair) for pair in query.split("&")])


def _pair(pair: str) -> str:
    key, equals, _ = pair.partition("=")
    name = unquote_plus(key) if "%" in key or "+" in key else key
    return f"{key}={REMOVED}" if equals and name.lower().replace("-", "_") in SECRET_KEYS else pair
