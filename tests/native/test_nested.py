"""Python code that runs in the middle of an item may do anything: what the encoder goes on reading is its own."""

from __future__ import annotations

import gc
import importlib.util
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from types import MappingProxyType
from typing import Any

import pytest

from otel_distro.exporter.logs import encode_log
from otel_distro.exporter.spans import encode_span
from otel_distro.pipeline.span import Span
from otel_distro.record import Fixed, LogRecord
from tests.native.items import LINES, NATIVE, NATIVE_LINES, encoded, line, unexpected
from tests.native.meddling import FAR, FarRecord, Once, Shrinking, ended, forget, others, record


def test_a_twin_that_encodes_another_class() -> None:
    """Each item is grouped by its own slot, wherever the slots of the last one lay."""
    odd = record()
    odd.attributes = {"odd": {}}
    groups: dict[Any, bytearray] = {}

    def twin(_: object) -> bytes:
        others()
        return b"odd"

    NATIVE.add_logs(groups, [odd] * 3, twin)
    assert groups == {"scope": b"\x12\x03odd" * 3}
    span = ended()
    span.has_more = True
    groups = {}
    NATIVE.add_spans(groups, [span] * 3, twin)
    assert groups == {span.tracer: b"\x12\x03odd" * 3}


def test_a_property_that_encodes_another_class() -> None:
    """Of the span, and of its parent."""

    class Asked(Span):
        __slots__ = ()

        @property
        def has_more(self) -> bool:  # type: ignore[override]
            others()
            return False

    for span in (ended(Asked), ended()):
        span.parent_id, span.is_root, span._parent = 5, True, Once()
        assert encoded(span, native=True, like=Span) == encoded(span, native=False, like=Span)


def test_a_property_that_empties_the_span() -> None:
    """Slots that are empty afterwards are an AttributeError, as in Python."""
    for name in ("trace_id", "_name", "_kind", "_attributes", "_start_time"):
        span = ended()
        span.parent_id, span.is_root = 5, True
        span._parent = Once(partial(delattr, span, name))
        with pytest.raises(AttributeError, match=name):
            NATIVE.add_spans({}, [span], encode_span)


def test_a_property_that_empties_all() -> None:
    """Nothing of what went is read."""
    span = ended()
    span.parent_id, span.is_root = 5, True
    span._parent = Once(forget(span, but=("tracer",)))
    with pytest.raises(AttributeError):
        NATIVE.add_spans({}, [span], encode_span)


def test_a_property_that_changes_the_class() -> None:
    """Whoever is another class afterwards is encoded as that one."""

    class Other(Span):
        __slots__ = ()
        _name = "of the class"

    class Before(Span):
        __slots__ = ()

        @property
        def has_more(self) -> bool:  # type: ignore[override]
            self.__class__ = Other
            return False

    group = encoded(ended(Before), native=True, like=Span)
    assert b"of the class" in next(iter(group.values()))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_what_a_property_raises(error: type[BaseException]) -> None:
    """It comes out, also what is no error."""

    class Raising(Span):
        __slots__ = ()

        @property
        def has_more(self) -> bool:  # type: ignore[override]
            raise error

    with pytest.raises(error):
        NATIVE.add_spans({}, [ended(Raising)], encode_span)


@pytest.mark.parametrize("tag", [b"\x4a", b"\x32"])
def test_a_key_among_what_is_kept(tag: bytes) -> None:
    """Whoever compares it may take away the attributes, and what was kept of them."""
    item = ended() if tag == b"\x4a" else record()
    slot, add = ("_attributes", NATIVE.add_spans) if tag == b"\x4a" else ("attributes", NATIVE.add_logs)

    def fixed() -> Fixed:
        return Fixed({f"key {number} {id(item)}": f"value {number}" * 5 for number in range(30)})

    setattr(item, slot, fixed())
    expected = encoded(item, native=True)
    for clear in (True, False):
        values = fixed()
        setattr(item, slot, values)

        def drop(values: Fixed = values, clear: bool = clear) -> None:
            kept, values.kept = values.kept, {}
            setattr(item, slot, {})
            others()
            if clear:
                kept.clear()

        values.kept[Once(drop, tag)] = None
        del values
        groups: dict[Any, bytearray] = {}
        add(groups, [item], unexpected)
        assert groups == expected


def test_a_key_among_what_a_line_kept() -> None:
    """As above."""
    lines = NATIVE.Lines(unexpected, LINES.tail, {}, frozenset())
    item = record()
    item.attributes = Fixed({"key": "value " * 9})
    expected = lines.render(item)
    item.attributes = Fixed({"key": "value " * 9})

    def drop() -> None:
        item.attributes.kept = item.attributes = None
        others()

    item.attributes.kept[Once(drop, lines)] = None
    assert lines.render(item) == expected


@pytest.mark.parametrize("encode", [encoded, line])
def test_fields_that_go_when_their_length_is_asked(encode: Callable[..., Any]) -> None:
    """They were empty, as they said."""
    item = record()
    item.fields = None
    expected = encode(item, native=True)
    Shrinking.once = Once(lambda: (setattr(item, "fields", None), others()))
    item.fields = MappingProxyType(Shrinking())
    assert encode(item, native=True) == expected
    assert item.fields is None


def test_a_group_that_goes_while_it_is_looked_up() -> None:
    """Neither it nor what is made in its place is read when it is gone."""
    expected = encoded(record(), native=True)["scope"]
    groups: dict[Any, bytearray] = {}
    groups[Once(groups.clear, "scope")] = bytearray()
    item = record()
    NATIVE.add_logs(groups, [item], unexpected)
    assert len(groups["scope"]) == len(expected)
    for _ in range(3):
        groups.clear()
        groups[Once(lambda: (others(), groups.clear()), "scope")] = bytearray()
        NATIVE.add_logs(groups, [item, item], encode_log)


def test_a_batch_that_is_taken_away() -> None:
    """A twin may clear the groups and the list; what is left goes on."""
    odd = record()
    odd.body = None
    items: list[Any] = [record(), odd, record()]
    groups: dict[Any, bytearray] = {}

    def twin(_: object) -> bytes:
        groups.clear()
        items.clear()
        others()
        return b"odd"

    NATIVE.add_logs(groups, items, twin)
    assert items == []


def test_a_class_whose_slots_are_asked_for() -> None:
    """A metaclass may encode others while the slots of its class are looked up, raise, and give what is no slot."""

    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            others()
            return super().__getattribute__(name)

    class Slow(LogRecord, metaclass=Meta):
        __slots__ = ()

    class Wrong(type):
        body = FarRecord.body  # type: ignore[attr-defined]
        found: type[BaseException] = ValueError

        def __getattribute__(cls, name: str) -> Any:
            if name == "scope":
                raise Wrong.found
            return super().__getattribute__(name)

    class Refused(LogRecord, metaclass=Wrong):
        __slots__ = ()

    slow, refused = Slow(1, 9, "INFO", "scope", "body"), Refused(1, 9, "INFO", "scope", "body")
    assert encoded(slow, native=True, like=LogRecord) == encoded(slow, native=False, like=LogRecord)
    assert encoded(refused, native=True, like=LogRecord) == encoded(refused, native=False, like=LogRecord)
    Wrong.found = KeyboardInterrupt
    encoded(record(), native=True)
    with pytest.raises(KeyboardInterrupt):
        NATIVE.add_logs({}, [refused], unexpected)


def test_a_class_that_nobody_has_is_gone() -> None:
    """The extension keeps the one that it saw last, and no other."""

    def seen() -> weakref.ref[type]:
        class Passing(LogRecord):
            __slots__ = ()

        encoded(Passing(1, 9, "INFO", "scope", "body"), native=True, like=LogRecord)
        return weakref.ref(Passing)

    passing = seen()
    encoded(record(), native=True)
    gc.collect()
    assert passing() is None


@pytest.mark.parametrize(
    ("shorts", "ambiguous"),
    [({1: "a"}, frozenset()), ({"a": 1}, frozenset()), ({Once(): "a"}, frozenset()), ({}, frozenset({Once()}))],
    ids=["short", "name", "own", "ambiguous"],
)
def test_names_that_are_no_texts(shorts: Any, ambiguous: Any) -> None:
    """A renderer takes none whose comparison could run anything."""
    with pytest.raises(TypeError, match="exact texts"):
        NATIVE.Lines(unexpected, b"", shorts, ambiguous)


def test_names_that_are_changed_later() -> None:
    """A renderer has its own."""
    shorts: dict[Any, str] = {"key": "short"}
    lines = NATIVE.Lines(unexpected, b"", shorts, frozenset())
    shorts.clear()
    shorts[Once(like="key")] = "other"
    item = record()
    item.attributes = {"key": 1}
    assert b'"short":1' in lines.render(item)


def test_a_renderer_in_a_cycle_ends() -> None:
    """The collector finds one that only itself refers to."""

    class Twin:
        lines: Any = None

        def __call__(self, _: object) -> bytes:
            raise ZeroDivisionError

    twin = Twin()
    twin.lines = NATIVE.Lines(twin, b"", {}, frozenset())
    gone = weakref.ref(twin)
    del twin
    gc.collect()
    assert gone() is None


def test_a_module_ends() -> None:
    """One that was loaded a second time and is not used any more leaves nothing, and takes nothing of the first."""

    def load() -> Any:
        spec = importlib.util.spec_from_file_location(NATIVE.__name__, NATIVE.__file__)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.add_logs({}, [record()], unexpected)
        module.add_spans({}, [ended()], unexpected)
        return module

    module = load()
    gone, lines = weakref.ref(module), module.Lines(unexpected, b"", {}, frozenset())
    del module
    gc.collect()
    assert lines.render(record())
    del lines
    gc.collect()
    assert gone() is None
    assert encoded(record(), native=True)


@pytest.fixture
def often() -> Iterator[None]:
    """Threads change as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_threads_that_encode_at_the_same_time(often: None) -> None:
    """Each gets its own bytes, though each waits for the others in the middle of its items."""
    classes = [type("Record", (LogRecord,), {"__slots__": FAR[: 9 * number]}) for number in range(4)]
    barrier = threading.Barrier(len(classes))
    wrong: list[Any] = []

    def work(kind: Any) -> None:
        item = kind(1, 9, "INFO", "scope", f"body of {kind}", attributes={"key": "value"}, trace_id=1)
        odd = kind(1, 9, "INFO", "scope", "odd", attributes={"odd": {}}, trace_id=1)
        span = ended()
        span.parent_id, span.is_root, span._parent = 5, True, Once()
        expected = [encoded(one, native=False, like=LogRecord) for one in (item, odd)], encoded(span, native=False)
        text = LINES(item)
        barrier.wait(60)
        for _ in range(300):
            span._parent = Once(lambda: [encoded(one, native=True, like=LogRecord) for one in (odd, item)])
            found = [encoded(one, native=True, like=LogRecord) for one in (item, odd)], encoded(span, native=True)
            if found != expected or NATIVE_LINES(item) != text:
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(kind,)) for kind in classes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
