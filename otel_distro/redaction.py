"""Pure functions that remove secrets from values: of URLs and settings for now; the full rules are another issue."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

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

_MASK = "***"
_SECRET_WORDS = ("apikey", "credential", "passphrase", "passw", "private_key", "secret", "token")
_CREDENTIALS = re.compile(r"(://)[^/\s]*@")
_PLAIN = re.compile(r"[A-Za-z]?[a-z]{0,23}(?:[-_.][a-z]{1,23}){0,5}|v\d+(?:(?:alpha|beta)\d+)?|[\w.~[-]{1,7}")
"""What a part of an endpoint's path is that is no token: words, a version, something short."""
_LEAST_SECRET = 8
"""Characters: what is shorter is too often a part of something else."""


def query_without_secrets(query: str) -> str:
    """A query string with `REDACTED` in place of the value of each secret key, however it is spelt or escaped."""
    if "=" not in query:
        return query
    return "&".join([_pair(pair) for pair in query.split("&")])


def _pair(pair: str) -> str:
    key, equals, _ = pair.partition("=")
    name = unquote_plus(key) if "%" in key or "+" in key else key
    return f"{key}={REMOVED}" if equals and name.lower().replace("-", "_") in SECRET_KEYS else pair


def endpoint_without_secrets(endpoint: str) -> str:
    """An endpoint, well-formed or not, without credentials, query and fragment, and `***` for tokens in its path."""
    scheme, found, rest = endpoint.partition("://")
    if not found:
        scheme, rest = "", endpoint
    where = rest.rpartition("@")[2].partition("?")[0].partition("#")[0]
    host, slash, path = where.partition("/")
    if not found and not _PLAIN.fullmatch(host) and not {".", ":"} & set(host):
        host = _MASK  # a token, put where an endpoint belongs
    return f"{scheme}{found}{host}{slash}{'/'.join(_MASK if is_secret else part for part, is_secret in _parts(path))}"


def path_secrets(path: str) -> list[str]:
    """The parts of an endpoint's path that look like tokens."""
    return [part for part, is_secret in _parts(path) if is_secret]


def _parts(path: str) -> list[tuple[str, bool]]:
    return [(part, not _PLAIN.fullmatch(part)) for part in path.split("/")]


def pairs_without_secrets(text: str) -> str:
    """`key=value,key=value` as in a setting, with `***` for the values of secret keys and for credentials in URLs."""
    return ",".join(_without_secret(part) for part in text.split(","))


def _without_secret(pair: str) -> str:
    key, equals, _ = pair.partition("=")
    if equals and _is_secret(re.sub(r"[-.\s]+", "_", key.strip().lower())):
        return f"{key}={_MASK}"
    return _CREDENTIALS.sub(rf"\1{_MASK}@", pair)


def _is_secret(name: str) -> bool:
    words = name.split("_")
    tails = {"_".join(words[first:]) for first in range(len(words))}
    return bool(tails & SECRET_KEYS) or any(word in name for word in _SECRET_WORDS)


def secrets_in(values: Iterable[str]) -> tuple[str, ...]:
    """What is not to be said of these values: they themselves and their words, the longest first."""
    found = {word for value in values for word in (value, *value.split()) if len(word) >= _LEAST_SECRET}
    return tuple(sorted(found, key=len, reverse=True))


def without(text: str, secrets: Iterable[str]) -> str:
    """A text with `***` for each of these secrets."""
    for secret in secrets:
        text = text.replace(secret, _MASK)
    return text
