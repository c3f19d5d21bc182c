"""What applications may use: changed by decision, never by accident."""

from __future__ import annotations

import inspect
from importlib import metadata
from importlib.resources import files

import otel_distro

PUBLIC = ["__version__", "bind", "breadcrumb", "capture_exception", "capture_message", "request_id"]
MOST_NAMES = 12


def test_the_public_names() -> None:
    """These names are the public API, and they stay few."""
    assert sorted(otel_distro.__all__) == PUBLIC
    assert len(PUBLIC) <= MOST_NAMES


def test_nothing_else_looks_public() -> None:
    """What `dir(otel_distro)` shows besides is a room of the package."""
    shown = {name for name in vars(otel_distro) if not name.startswith("_")} - set(PUBLIC)
    rooms = {name for name in shown if inspect.ismodule(getattr(otel_distro, name))}
    assert shown - rooms == {"annotations"}


def test_every_public_function_is_documented() -> None:
    """A public function says in at most three lines what it is for."""
    for name in PUBLIC[1:]:
        text = inspect.getdoc(getattr(otel_distro, name))
        assert text
        assert len(text.splitlines()) <= 3


def test_bind_takes_names_only() -> None:
    """Every argument of `bind` is given by name and may be left out."""
    parameters = inspect.signature(otel_distro.bind).parameters
    assert list(parameters) == ["user", "session", "tier", "tenant"]
    assert {parameter.kind for parameter in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert {parameter.default for parameter in parameters.values()} == {None}


def test_the_version_is_that_of_the_installation() -> None:
    """`otel_distro.__version__` is what pip shows."""
    assert metadata.version("otel-distro") == otel_distro.__version__


def test_types_ship_with_the_package() -> None:
    """Type checkers of applications read our annotations."""
    assert files(otel_distro).joinpath("py.typed").is_file()
