"""How ended spans become values of metrics: which streams, under which key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_distro.record import Fixed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_distro.pipeline.series import Key, Series, Stream

_MAX_KEYS = 4096


class Slot:
    """One series-to-be: made when the first span has a value for it."""

    __slots__ = ("_key", "_stream", "bounds", "series", "source")

    def __init__(self, stream: Stream, source: str, key: Key) -> None:
        self._stream = stream
        self._key = key
        self.bounds = stream.bounds
        self.source = source
        """`duration`, `count`, or the attribute that has the value."""
        self.series: Series | None = None

    def made(self, now_ns: int) -> Series:
        """The series; kept unless it is that of the overflow, where each value is counted as one too many."""
        found = self._stream.find(self._key, now_ns)
        if not found.overflow:
            self.series = found
        return found


class Derivation:
    """The streams with the same attributes that one kind of span is measured by."""

    __slots__ = ("_keys", "_known", "_sources")

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = keys
        self._sources: list[tuple[Stream, str]] = []
        self._known: dict[Key, list[Slot]] = {}

    @property
    def keys(self) -> tuple[str, ...]:
        """The attributes that make the series' key."""
        return self._keys

    def add(self, stream: Stream) -> None:
        """Derive one more stream."""
        self._sources.append((stream, stream.metric.source.value if stream.metric.source else ""))

    def forget(self) -> None:
        """The series of before are gone."""
        self._known.clear()

    def slots(self, attributes: Mapping[str, Any]) -> list[Slot]:
        """What a span with these attributes may add to."""
        key = tuple(map(attributes.get, self._keys))
        try:
            known = self._known.get(key)
        except TypeError:  # the app set a mapping where the catalogue has a name
            return self._made(key)
        if known is None:
            if len(self._known) >= _MAX_KEYS:
                self._known.clear()
            known = self._known[key] = self._made(key)
        return known

    def _made(self, key: Key) -> list[Slot]:
        return [Slot(stream, source, key) for stream, source in self._sources]


class Derivations:
    """All that one kind of span is measured by."""

    __slots__ = ("_all", "_epoch")

    def __init__(self) -> None:
        self._all: list[Derivation] = []
        self._epoch = object()

    def add(self, stream: Stream) -> None:
        """Derive one more stream."""
        keys = tuple(attribute.key for attribute in stream.metric.attributes)
        derivation = next((known for known in self._all if known.keys == keys), None)
        if derivation is None:
            derivation = Derivation(keys)
            self._all.append(derivation)
        derivation.add(stream)

    def forget(self) -> None:
        """The series of before are gone."""
        self._epoch = object()
        for derivation in self._all:
            derivation.forget()

    def slots(self, attributes: Mapping[str, Any]) -> list[Slot]:
        """What a span with these attributes may add to; at once where they are the same object as before."""
        if attributes.__class__ is not Fixed:
            return self._found(attributes)
        kept = attributes.kept.get(self)
        if kept is None or kept[0] is not self._epoch:
            kept = attributes.kept[self] = (self._epoch, self._found(attributes))
        return kept[1]

    def _found(self, attributes: Mapping[str, Any]) -> list[Slot]:
        if len(self._all) == 1:
            return self._all[0].slots(attributes)
        return [slot for derivation in self._all for slot in derivation.slots(attributes)]
