"""Where upstream's tests are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance import source


def fill(made: Path, text: str) -> None:
    (made / "test_it.py").write_text(text, "utf-8")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache outside the tree, an empty one."""
    monkeypatch.setattr(source, "cache", lambda: tmp_path / "backends")
    return tmp_path


def test_a_suite_is_fetched_once(cache: Path) -> None:
    """The second who asks finds what the first fetched."""
    first = source._cached("suite", lambda made: fill(made, "first"))
    second = source._cached("suite", lambda made: fill(made, "second"))
    assert first == second
    assert (second / "test_it.py").read_text("utf-8") == "first"


def test_two_processes_may_fetch_the_same_suite(cache: Path) -> None:
    """Who comes second, as the tests of another Python do, takes what is there and leaves nothing behind."""

    def overtaken(made: Path) -> None:
        source._cached("suite", lambda other: fill(other, "first"))
        fill(made, "second")

    found = source._cached("suite", overtaken)
    assert (found / "test_it.py").read_text("utf-8") == "first"
    assert list((cache / "conformance").iterdir()) == [found]


def test_a_suite_that_can_not_be_kept_is_an_error(cache: Path) -> None:
    """Only that another was first is no problem."""
    with pytest.raises(FileNotFoundError):
        source._cached("suite", Path.rmdir)
