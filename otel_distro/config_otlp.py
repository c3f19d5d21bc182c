"""Where and how OTLP is sent: its settings, each for all signals or for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from otel_distro.config_parse import boolean, choice, headers, optional_path, seconds, target, url

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Setting(NamedTuple):
    """One environment variable: name, default as it would be typed, parser, and the sentence the docs print."""

    name: str
    default: str
    parse: Callable[[str], Any]
    brief: str
    secret: bool = False
    standard: bool = False


class Otlp(NamedTuple):
    """Where and how one signal is sent by OTLP, per the OTLP exporter specification."""

    endpoint: str
    protocol: str
    headers: tuple[tuple[str, str], ...]
    compression: str
    timeout: float
    insecure: bool
    certificate: Path | None
    client_key: Path | None
    client_certificate: Path | None
    named_by: str = ""
    """The variable that gave the endpoint; empty: the default."""


def _row(name: str, default: str, parse: Callable[[str], Any], brief: str, *, secret: bool = False) -> Setting:
    return Setting(name, default, parse, brief, secret, standard=True)


OTLP_SETTINGS: dict[str, Setting] = {
    "protocol": _row(
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "http/protobuf",
        choice("http/protobuf", "grpc", "http/json"),
        "Transport of OTLP: http/protobuf, grpc (the extra `grpc`), http/json (upstream's exporter, when installed)",
    ),
    "endpoint": _row(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "http://localhost:4318",
        url,
        "Where OTLP goes; by grpc http://localhost:4317 unless set, and host:port will do",
    ),
    "headers": _row("OTEL_EXPORTER_OTLP_HEADERS", "", headers, "Headers of each export", secret=True),
    "compression": _row(
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "none",
        choice("none", "gzip", "deflate"),
        "Compression of exports",
    ),
    "timeout": _row("OTEL_EXPORTER_OTLP_TIMEOUT", "10", seconds, "Seconds one export may take"),
    "insecure": _row(
        "OTEL_EXPORTER_OTLP_INSECURE",
        "false",
        boolean,
        "No TLS to a grpc endpoint that is only host:port; http:// and https:// speak for themselves",
    ),
    "certificate": _row("OTEL_EXPORTER_OTLP_CERTIFICATE", "", optional_path, "Trusted certificates"),
    "client_key": _row("OTEL_EXPORTER_OTLP_CLIENT_KEY", "", optional_path, "The client's private key"),
    "client_certificate": _row("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "", optional_path, "The client's certificate"),
}
"""OTLP settings; each may also be set per signal (`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, ...)."""

BY_GRPC: dict[str, dict[str, Any]] = {
    "endpoint": {"default": "http://localhost:4317", "parse": target},
    "compression": {"parse": choice("none", "gzip")},
}
"""What differs where the protocol is grpc."""


def of_signal(setting: Setting, signal: str) -> str:
    """The variable of an OTLP setting for one signal alone."""
    return setting.name.replace("OTLP_", f"OTLP_{signal.upper()}_", 1)
