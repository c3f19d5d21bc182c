"""How ended spans become values of metrics: which streams, under which key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from otel_distro.record import Fixed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_distro.pipeline.series import Series, Stream
    from otel_distro.pipeline.span import Span


class Point(NamedTuple):
    """A series and the value that a span adds to it; None: its duration in seconds."""

    series: Series
    bounds: tuple[float, ...]
    value: float | None


class Derivation:
    """The streams with the same attributes that one kind of span is measured by."""

    __slots__ = ("_keys", "_sources")

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = keys
        self._sources: list[tuple[Stream, str]] = []
        """Each stream, and `duration`, `count`, or the attribute that has its value."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The attributes that make the series' key."""
        return self._keys

    def add(self, stream: Stream) -> None:
        """Derive one more stream."""
        self._sources.append((stream, stream.metric.source.value if stream.metric.source else ""))

    def points(self, attributes: Mapping[str, Any], now_ns: int) -> list[Point]:
        """What a span with these attributes adds to."""
        key = tuple(map(attributes.get, self._keys))
        found = []
        for stream, source in self._sources:
            value: Any = None
            if source == "count":
                value = 1
            elif source != "duration":
                value = attributes.get(source)
                if not isinstance(value, (int, float)):
                    continue
            found.append(Point(stream.find(key, now_ns), stream.bounds, value))
        return found


class Derivations:
    """All that one kind of span is measured by."""

    __slots__ = ("_all",)

    def __init__(self) -> None:
        self._all: list[Derivation] = []

    def add(self, stream: Stream) -> None:
        """Derive one more stream."""
        keys = tuple(attribute.key for attribute in stream.metric.attributes)
        derivation = next((known for known in self._all if known.keys == keys), None)
        if derivation is None:
            derivation = Derivation(keys)
            self._all.append(derivation)
        derivation.add(stream)

    def points(self, span: Span, epoch: object) -> list[Point]:
        """What this span adds to; found at once where its attributes are the same object as before, in this epoch."""
        attributes, started = span._attributes, span._start_time or 0  # noqa: SLF001
        if attributes.__class__ is not Fixed:
            return self._found(attributes, started)
        kept = attributes.kept.get(self)
        if kept is None or kept[0] is not epoch:
            found = self._found(attributes, started)
            if any(point.series.overflow for point in found):
                return found
            kept = attributes.kept[self] = (epoch, found)
        return kept[1]

    def _found(self, attributes: Mapping[str, Any], now_ns: int) -> list[Point]:
        return [point for derivation in self._all for point in derivation.points(attributes, now_ns)]
