"""The spool's file format: what was written is read, and nothing that was not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from otel_distro.exporter.frame import SENT, Frame, decode, encode

BATCHES = st.lists(
    st.builds(
        Frame,
        payload=st.binary(max_size=200),
        items=st.integers(0, 2**32 - 1),
        created=st.floats(0, 1e11),
        offset=st.just(0),
    ),
    max_size=6,
)


def written(batches: list[Frame]) -> bytes:
    """A file of traces."""
    return b"".join(encode("traces", batch) for batch in batches)


def values(frames: list[Frame]) -> list[Frame]:
    """Frames wherever they stand."""
    return [frame._replace(offset=0) for frame in frames]


@given(BATCHES)
def test_what_was_written_is_read(batches: list[Frame]) -> None:
    """In order, whole, whatever the bytes are."""
    contents = decode("traces", written(batches))
    assert (values(contents.frames), contents.unreadable) == (batches, 0)


@given(BATCHES, st.data())
def test_a_file_cut_short_gives_the_whole_frames(batches: list[Frame], data: st.DataObject) -> None:
    """A crash in the middle of a write costs the frame that was being written, which is counted."""
    whole = written(batches)
    cut = data.draw(st.integers(0, len(whole)))
    contents = decode("traces", whole[:cut])
    kept = len(contents.frames)
    assert values(contents.frames) == batches[:kept]
    assert len(written(batches[:kept])) <= cut < len(written(batches[: kept + 1])) or kept == len(batches)
    if cut > len(written(batches[:kept])):
        assert contents.unreadable in (1, batches[kept].items)


@given(BATCHES.filter(bool), st.data())
def test_a_changed_byte_makes_no_other_batch(batches: list[Frame], data: st.DataObject) -> None:
    """Whatever is damaged on the disk, nothing is sent that was not written."""
    whole = bytearray(written(batches))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    contents = decode("traces", bytes(whole))
    left = list(batches)
    for frame in values(contents.frames):
        left = left[left.index(frame) + 1 :]
    assert len(contents.frames) < len(batches)


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read(data: bytes) -> None:
    """What is no spool file gives nothing, and no error."""
    assert decode("traces", data).frames == []


@given(BATCHES.filter(bool), st.data())
def test_what_has_left_is_not_read_again(batches: list[Frame], data: st.DataObject) -> None:
    """One byte says so, in its place, and the other frames stay what they were."""
    index = data.draw(st.integers(0, len(batches) - 1))
    whole = bytearray(written(batches))
    offset = decode("traces", bytes(whole)).frames[index].offset
    whole[offset : offset + 1] = SENT
    contents = decode("traces", bytes(whole))
    assert (values(contents.frames), contents.unreadable) == (batches[:index] + batches[index + 1 :], 0)


def test_a_file_of_another_signal_is_not_read() -> None:
    """Logs among traces are not sent as traces."""
    assert decode("logs", written([Frame(b"spans", 1, 0)])).frames == []
