"""A rendered stack says what the interpreter's own says, but for the marks under columns."""

from __future__ import annotations

import re
import sys
import traceback

import pytest

from otel_distro.errors.record import exception_attributes
from otel_distro.errors.stack import render

_MARKS = re.compile(r"^\s+[\^~]+\s*$", re.MULTILINE)


def _inner() -> None:
    raise KeyError("missing")


def _caused() -> None:
    try:
        _inner()
    except KeyError as error:
        raise ValueError("two\nlines") from error


def _in_context() -> None:
    try:
        _inner()
    except KeyError:
        _caused()


def _suppressed() -> None:
    try:
        _inner()
    except KeyError:
        raise RuntimeError("alone") from None


def _syntax() -> None:
    compile("a b", "<text>", "exec")


def _noted() -> None:
    error = OSError(2, "gone", "file")
    if sys.version_info >= (3, 11):
        error.add_note("a note")
    raise error


def _without_marks(text: str) -> list[str]:
    return [line for line in _MARKS.sub("", text).splitlines() if line]


@pytest.mark.parametrize("fail", [_inner, _caused, _in_context, _suppressed, _syntax, _noted])
def test_it_is_the_interpreter_s_own(fail: object) -> None:
    """Frames, source lines, chains, notes and last lines are the same."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - each case raises its own
        fail()  # type: ignore[operator]
    error = raised.value
    own = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    assert _without_marks(render(error, 64)) == _without_marks(own)


def test_the_innermost_frames_are_kept() -> None:
    """Of a deep recursion the end is shown, where it happened."""

    def deep(left: int) -> None:
        if left:
            deep(left - 1)
        _inner()

    with pytest.raises(KeyError) as raised:
        deep(200)
    text = render(raised.value, 10)
    assert text.count('  File "') == 10
    assert text.rstrip().endswith("KeyError: 'missing'")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups are in the language from Python 3.11 on")
def test_a_group_shows_its_members() -> None:
    """Each member of an exception group is in the text."""
    group = ExceptionGroup("both", [ValueError("one"), KeyError("two")])  # noqa: F821 - not in Python 3.10
    with pytest.raises(ExceptionGroup) as raised:  # noqa: F821
        raise group
    text = render(raised.value, 10)
    assert "ValueError: one" in text
    assert "KeyError: 'two'" in text


def test_an_exception_that_cannot_be_printed_is_recorded() -> None:
    """Whatever `__str__` does, the record says what it can."""

    class HostileError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    try:
        raise HostileError
    except HostileError as error:
        found = exception_attributes(error)
    assert found["exception.type"].endswith("HostileError")
    assert "unprintable" in found["exception.message"]
