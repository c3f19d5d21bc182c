"""Parsers of setting values: text in, value out, `ValueError` with a reason for what can't be understood."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_UNITS = {"kib": 1024, "mib": 1024**2, "gib": 1024**3, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "b": 1}


def text(raw: str) -> str:
    """The text itself."""
    return raw.strip()


def level(raw: str) -> int:
    """A level of `logging` by name or number; empty is 0, which is no level."""
    name = raw.strip().upper()
    if not name:
        return 0
    number = int(name) if name.isdigit() else logging.getLevelName(name)
    if not isinstance(number, int):
        message = "it takes DEBUG, INFO, WARNING, ERROR, CRITICAL or a number"
        raise ValueError(message)  # noqa: TRY004 - it is the text that is wrong
    return number


def boolean(raw: str) -> bool:
    """True, false, 1, 0, yes, no, on or off, in any case."""
    value = raw.strip().lower()
    if value in {"true", "1", "yes", "on"}:
        return True
    if value in {"false", "0", "no", "off"}:
        return False
    message = "it takes true or false"
    raise ValueError(message)


def limit(raw: str) -> int | None:
    """A whole number from 0 on; empty is no limit."""
    value = raw.strip()
    if not value:
        return None
    if not value.isdecimal():
        message = "it takes a whole number from 0 on"
        raise ValueError(message)
    return int(value)


def names(raw: str) -> tuple[str, ...]:
    """Names divided by commas."""
    return tuple(part.strip() for part in raw.split(",") if part.strip())


def hosts(raw: str) -> tuple[str, ...]:
    """Host names divided by commas, in lower case."""
    return tuple(part.lower() for part in names(raw))


def rules(raw: str) -> tuple[tuple[str, str], ...]:
    """`pattern=name` pairs divided by commas."""
    pairs = [part.partition("=") for part in names(raw)]
    if not all(pattern.strip() and name.strip() for pattern, _, name in pairs):
        message = "it takes pattern=name,pattern=name"
        raise ValueError(message)
    return tuple((pattern.strip(), name.strip()) for pattern, _, name in pairs)


def choice(*allowed: str) -> Callable[[str], str]:
    """One of the given words, in any case."""

    def parse(raw: str) -> str:
        value = raw.strip().lower()
        if value not in allowed:
            message = f"it takes {', '.join(allowed)}"
            raise ValueError(message)
        return value

    return parse


def _number(raw: str) -> float:
    try:
        value = float(raw)
    except ValueError:
        message = "it takes a number"
        raise ValueError(message) from None
    if not 0 <= value < float("inf"):
        message = "it takes a number from 0 on"
        raise ValueError(message)
    return value


def seconds(raw: str) -> float:
    """A number of seconds from 0 on."""
    return _number(raw)


def milliseconds(raw: str) -> float:
    """A number of milliseconds from 0 on; the value stays in milliseconds."""
    return _number(raw)


def positive(raw: str) -> int:
    """A whole number from 1 on."""
    try:
        value = int(raw)
    except ValueError:
        value = 0
    if value < 1:
        message = "it takes a whole number from 1 on"
        raise ValueError(message)
    return value


def bytes_size(raw: str) -> int:
    """A number of bytes, with KiB, MiB, GiB, kB, MB or GB after it or not."""
    value = raw.strip().lower().replace(" ", "")
    for unit, factor in _UNITS.items():
        if value.endswith(unit):
            return int(_number(value[: -len(unit)]) * factor)
    return int(_number(value))


def bytes_rate(raw: str) -> int:
    """A number of bytes from 1 on, written like a size."""
    value = bytes_size(raw)
    if value < 1:
        message = "it takes a number of bytes from 1 on"
        raise ValueError(message)
    return value


def optional_path(raw: str) -> Path | None:
    """A path, ~ expanded; empty is None."""
    try:
        return Path(raw).expanduser() if raw.strip() else None
    except RuntimeError as error:  # ~name, of nobody here
        raise ValueError(str(error)) from None


def url(raw: str) -> str:
    """An http or https URL with a host."""
    try:
        parts = urlsplit(raw)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        message = "it takes a URL like http://host:4318"
        raise ValueError(message)
    return raw


def target(raw: str) -> str:
    """Where gRPC goes: an http or https URL, or a host and a port."""
    if "://" in raw:
        return url(raw)
    try:
        url(f"http://{raw}")
    except ValueError:
        message = "it takes a URL like http://host:4317, or host:4317"
        raise ValueError(message) from None
    return raw


def headers(raw: str) -> tuple[tuple[str, str], ...]:
    """`key=value` pairs divided by commas, percent-encoded as W3C baggage is."""
    pairs = []
    for part in names(raw):
        key, found, value = part.partition("=")
        if not found or not key.strip():
            message = "it takes key=value,key=value"
            raise ValueError(message)
        name, decoded = unquote(key).strip().lower(), unquote(value).strip()
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(decoded):
            message = "a header's name or value has characters that HTTP does not allow"
            raise ValueError(message)
        pairs.append((name, decoded))
    return tuple(pairs)
