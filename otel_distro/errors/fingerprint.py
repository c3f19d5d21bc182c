"""What tells one error from another: the same for the same defect, whatever the request, the release or the line."""

from __future__ import annotations

import linecache
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from otel_distro.errors.exception import caused, exception_type
from otel_distro.errors.in_app import InApp, module_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_DIGITS = 16
_MAX_KNOWN = 2048
_MAX_FRAMES = 16
_MAX_PARTS = 32
_MAX_STEPS = 5000


class Fingerprint(NamedTuple):
    """16 hex digits, a title for people, and the app's frames (`module.function`), the outermost first."""

    id: str
    title: str
    frames: tuple[str, ...] = ()


class Place(NamedTuple):
    """Where in a source file: enough to find the line again."""

    path: str
    line: int
    function: str
    module: str


class Fingerprints:
    """Takes them. An error is its type, and the innermost place of the app's own that it came through, as source text.

    Innermost: who called does not matter, so a defect that three routes run into is one. Its explicit causes, and the
    members of a group, are told apart in the same way. Messages are not looked at: they hold values.
    """

    def __init__(self, in_app: InApp) -> None:
        self._in_app = in_app
        self._known: dict[tuple[object, ...], str] = {}

    def of(self, error: BaseException, group: str = "") -> Fingerprint:
        """The fingerprint of an error, or of the `group` that a rule has put it in."""
        own = [place for place, is_own in self._places(error) if is_own]
        frames = tuple(f"{place.module}.{place.function}" for place in own[-_MAX_FRAMES:])
        if group:
            return Fingerprint(_digest([("group", group)]), group, frames)
        kind = exception_type(error)
        title = f"{kind} in {frames[-1]}" if frames else kind
        return Fingerprint(self._id(error), title, frames)

    def _id(self, error: BaseException) -> str:
        key = tuple((exception_type(one), self._decisive(one)) for one in caused(error, _MAX_PARTS))
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            known = self._known[key] = _digest([(kind, *_words(place, own=own)) for kind, (place, own) in key])
        return known

    def _decisive(self, error: BaseException) -> tuple[Place | None, bool]:
        """The innermost place of the app's; in its absence the innermost of all."""
        last: Place | None = None
        own: Place | None = None
        for last, is_own in self._places(error):
            own = last if is_own else own
        return (last, False) if own is None else (own, True)

    def _places(self, error: BaseException) -> Iterator[tuple[Place, bool]]:
        step = error.__traceback__
        for _ in range(_MAX_STEPS):
            if step is None:
                return
            frame = step.tb_frame
            yield _place(frame, step.tb_lineno), frame in self._in_app
            step = step.tb_next


def _place(frame: FrameType, line: int) -> Place:
    code = frame.f_code
    return Place(code.co_filename, line, code.co_name, module_of(frame))


def _words(place: Place | None, *, own: bool) -> tuple[str, ...]:
    """A place without what moves: no path and no line number, but the text of the line where it is the app's."""
    if place is None:
        return ()
    source = " ".join(linecache.getline(place.path, place.line).split()) if own else ""
    return (place.module, place.function, source)


def _digest(parts: list[tuple[str, ...]]) -> str:
    return sha256("\0".join("\1".join(part) for part in sorted(set(parts))).encode("utf-8", "replace")).hexdigest()[
        :_DIGITS
    ]
