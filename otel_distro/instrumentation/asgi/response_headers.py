"""The headers that let a caller find its request: added to the response unless the app set them itself."""

from __future__ import annotations

from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING

from opentelemetry.propagators.textmap import Setter

from otel_distro.context.request_id import HEADERS_OUT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.trace import SpanContext

    Header = tuple[bytes, bytes]

_ID, _CORRELATION = HEADERS_OUT
_NAME = itemgetter(0)
_TIMING = b"server-timing"
_ALLOW = b"access-control-allow-origin"
_EXPOSE = b"access-control-expose-headers"
_EXPOSED = (b"X-Request-ID", b"X-Correlation-ID", b"Server-Timing")
_WATCHED = {name: 1 << bit for bit, name in enumerate((*HEADERS_OUT, _TIMING, _ALLOW, _EXPOSE))}


class Added(Setter["list[Header]"]):
    """Adds a header to a list of them."""

    def set(self, carrier: list[Header], key: str, value: str) -> None:
        """Add it, its name in lower case as ASGI wants it."""
        carrier.append((key.lower().encode("latin-1"), value.encode("latin-1")))


ADDED = Added()


def identified(headers: Iterable[Header], request_id: str, span: SpanContext) -> list[Header]:
    """The response's headers with the request's ids, exposed to other origins where the app allows these."""
    result = list(headers)
    seen = _seen(tuple(map(_NAME, result)))
    encoded = request_id.encode()
    if not seen:
        result += ((_ID, encoded), (_CORRELATION, encoded), (_TIMING, _timing(span)))
        return result
    result += [(name, encoded) for name in HEADERS_OUT if not seen & _WATCHED[name]]
    if not seen & _WATCHED[_TIMING] or not _has_traceparent(result):
        result.append((_TIMING, _timing(span)))
    return _exposed(result) if seen & _WATCHED[_ALLOW] else result


@lru_cache(maxsize=256)
def _seen(names: tuple[bytes, ...]) -> int:
    """Which of the headers that we look at are among these."""
    seen = 0
    for name in names:
        seen |= _WATCHED.get(name.lower(), 0)
    return seen


def _timing(span: SpanContext) -> bytes:
    return b'traceparent;desc="00-%032x-%016x-%02x"' % (span.trace_id, span.span_id, span.trace_flags)


def _has_traceparent(headers: list[Header]) -> bool:
    return any(header[0].lower() == _TIMING and b"traceparent" in header[1] for header in headers)


def _exposed(headers: list[Header]) -> list[Header]:
    given = [header[1] for header in headers if header[0].lower() == _EXPOSE]
    others = [header for header in headers if header[0].lower() != _EXPOSE]
    return [*others, (_EXPOSE, _merged(b", ".join(given)))]


@lru_cache(maxsize=64)
def _merged(exposed: bytes) -> bytes:
    names = [part.strip() for part in exposed.split(b",") if part.strip()]
    if b"*" in names:
        return exposed
    known = {name.lower() for name in names}
    return b", ".join([*names, *(name for name in _EXPOSED if name.lower() not in known)])
