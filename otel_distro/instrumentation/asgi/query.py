"""The query string as it may be recorded: cut, values of well-known secrets removed."""

from __future__ import annotations

from otel_distro.redaction import query_without_secrets

MAX_TEXT = 2048
"""Longest path, query or header value of a request that is recorded."""


def without_secrets(query: bytes) -> str:
    """The query string as text, cut to `MAX_TEXT`, `REDACTED` in place of each well-known secret."""
    return query_without_secrets(query[:MAX_TEXT].decode("utf-8", "replace"))
