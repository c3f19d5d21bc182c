"""What of a URL may be recorded: no credentials, no values of secret query keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_distro.redaction import query_without_secrets

if TYPE_CHECKING:
    from httpx import URL

DEFAULT_PORTS = {"http": 80, "https": 443}


def recordable(url: URL, host: str) -> str:
    """`url.full` of a request: scheme, host, port when it is not the scheme's, path, query."""
    port = "" if url.port is None else f":{url.port}"
    target = url.raw_path.decode("ascii", "replace")
    path, mark, query = target.partition("?")
    shown = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{shown}{port}{path}{mark}{query_without_secrets(query)}"
