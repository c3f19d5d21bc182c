"""One defect has one fingerprint, two have two."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from otel_distro.errors.exception import GROUP
from otel_distro.errors.fingerprint import Fingerprint, Fingerprints
from otel_distro.errors.in_app import InApp
from tests.errors.raising import PAYMENTS, raised, release

_READING = "import json\n\ndef one(text):\n    json.loads(text)\n\ndef two(text):\n    json.loads(text)\n"


def of(error: BaseException, *named: str) -> Fingerprint:
    return Fingerprints(InApp(named)).of(error)


def test_three_routes_and_two_releases_are_one(tmp_path: Path) -> None:
    """Who called, how the file moved, and what the message holds do not matter."""
    old = release(tmp_path / "one")
    new = release(tmp_path / "two", "\n" * 20 + PAYMENTS.replace("    if", "\n    if"))
    calls = [module.__dict__[name] for module in (old, new) for name in ("checkout", "renew", "webhook")]
    assert len({of(raised(call)).id for call in calls}) == 1


def test_two_defects_with_one_message_are_two(tmp_path: Path) -> None:
    """The text of the message is not looked at, the place is."""
    payments = release(tmp_path)
    errors = [raised(payments.charge, -1), raised(payments.refund, -1)]
    assert len({str(error) for error in errors}) == 1
    assert len({of(error).id for error in errors}) == 2


def test_two_types_at_one_place_are_two(tmp_path: Path) -> None:
    """What is raised matters."""
    raising = release(tmp_path, "def fail(kind):\n    raise kind()\n").fail
    assert of(raised(raising, KeyError)).id != of(raised(raising, ValueError)).id


def test_a_library_s_frames_are_not_the_app_s(tmp_path: Path) -> None:
    """An error deep in a library is told by the app's line that called it."""
    app = release(
        tmp_path, "import json\n\ndef one(text):\n    json.loads(text)\n\ndef two(text):\n    json.loads(text)\n"
    )
    first = of(raised(app.one, "{"))
    assert first.frames == ("tests.errors.raising.raised", "payments.one")
    assert first.title == "json.decoder.JSONDecodeError in payments.one"
    assert first.id == of(raised(app.one, "[1,")).id != of(raised(app.two, "{")).id


def test_without_a_frame_of_the_app_s(tmp_path: Path) -> None:
    """An error that no code of the app's took part in has a fingerprint, too, and no in-app frames."""
    error = raised(json.loads, "{")
    found = of(error, "-tests")
    assert found.frames == ()
    assert len(found.id) == 16
    assert found.title == "json.decoder.JSONDecodeError"


def test_named_modules(tmp_path: Path) -> None:
    """A module can be named as the app's own, or as none of it: a helper that raises for many is looked through."""
    source = "def require(value):\n    if not value:\n        raise ValueError\n"
    checks = release(tmp_path, source, "checks")
    app = release(tmp_path, "def one(require):\n    require(0)\n\ndef two(require):\n    require('')\n")
    errors = [raised(call, checks.require) for call in (app.one, app.two)]
    assert len({of(error).id for error in errors}) == 1
    assert len({of(error, "-checks").id for error in errors}) == 2
    assert "json.loads" in of(raised(json.loads, 1), "json").frames


def test_causes_are_told_apart(tmp_path: Path) -> None:
    """The same wrapper around two causes is two errors; around the same cause it is one."""
    source = "def wrap(kind):\n try:\n  raise kind\n except Exception as error:\n  raise LookupError from error\n"
    wrap = release(tmp_path, source).wrap
    first, again, other = (of(raised(wrap, kind)).id for kind in (KeyError, KeyError, OSError))
    assert first == again != other


def test_a_cycle_ends(tmp_path: Path) -> None:
    """Exceptions that cause each other are looked at once each."""
    one, two = raised(json.loads, "{"), raised(int, "x")
    one.__cause__, two.__cause__ = two, one
    assert of(one).id


@pytest.mark.parametrize("members", [1, 3])
def test_groups(members: int) -> None:
    """A group is told by what is in it, however often."""
    if GROUP is None:
        assert sys.version_info < (3, 11)  # groups came with 3.11
        return
    several = [raised(int, "x") for _ in range(members)]
    one, more, other = (
        GROUP("g", errors) for errors in (several, [*several, raised(int, "y")], [raised(json.loads, "{")])
    )
    assert of(one).id == of(more).id != of(other).id
