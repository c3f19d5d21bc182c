"""The house rules that neither ruff nor import-linter knows."""

from __future__ import annotations

import ast
import re
from importlib.metadata import EntryPoint, distribution

import pytest

from tests.sources import PACKAGE, ROOMS, ROOT, files, modules, parsed, text_files

MAX_LINES = 400
GRAB_BAGS = {"base", "common", "core", "helper", "helpers", "manager", "misc", "util", "utils"}
SDK_ROOMS = ("assembly.py", "configurator.py", "distro.py", "exporter/", "pipeline/")
TOUCHES_ENVIRONMENT = {
    "config.py": "the one reader",
    "cli/shop.py": "hands it on to the processes that it starts",
}
INSTRUMENTS = re.compile(r"create_(observable_)?(counter|up_down_counter|histogram|gauge)")
AREAS = {
    "asgi": "http",
    "celery": "messaging",
    "exceptions": "errors",
    "httpx": "http",
    "logging": "attributes",
    "loguru": "attributes",
    "sqlalchemy": "db",
    "structlog": "attributes",
    "threading": "attributes",
}
"""By folder of `instrumentation/`: the file of the catalogue that declares what it emits."""
MACHINE = re.compile(r"/(?:root|work|home/[a-z]+)/|(?:pythonhosted|npmjs)[.]|proxy[.]golang|[.]debian[.]org")


def our_entry_points() -> list[EntryPoint]:
    """The entry points that our installation offers."""
    return sorted(distribution("otel-distro").entry_points, key=lambda point: (point.group, point.name))


def instrumentation_folders() -> list[str]:
    """The names of the instrumentations."""
    return sorted(path.parent.name for path in (PACKAGE / "instrumentation").glob("*/__init__.py"))


def test_files_are_short() -> None:
    """No Python file of the tree has more than 400 lines."""
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in files(*ROOMS, suffix=".py")}
    assert {path: count for path, count in lines.items() if count > MAX_LINES} == {}


def test_files_are_named_by_a_noun_of_the_domain() -> None:
    """No module is a grab-bag by its name."""
    assert [path for path in files("otel_distro", "tests", "tools", suffix=".py") if path.stem in GRAB_BAGS] == []


def test_only_the_settings_read_the_environment() -> None:
    """Nothing but config.py touches os.environ or os.getenv, apart from the exceptions named here."""
    found = {
        name
        for name, module in modules().items()
        for node in ast.walk(module)
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv", "putenv"})
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and {"environ", "getenv"} & _names(node))
    }
    assert found <= set(TOUCHES_ENVIRONMENT)


def test_only_the_pipeline_side_knows_the_sdk() -> None:
    """Instrumentation, context, logs, viewer and command line import nothing of opentelemetry.sdk."""
    found = [name for name, module in modules().items() if not name.startswith(SDK_ROOMS) and _imports_sdk(module)]
    assert found == []


def test_only_the_guard_swallows_every_exception() -> None:
    """A broad `except` stands in guard.py, or raises what it caught again."""
    found = [
        f"{name}:{node.lineno}"
        for name, module in modules().items()
        for node in ast.walk(module)
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and not _raises_again(node)
    ]
    assert [place for place in found if not place.startswith("guard.py:")] == []


def test_a_fault_caught_on_a_hot_path_is_reported() -> None:
    """Whoever says `except FAULT as fault` reports it, first of all, as `with guard(...)` would."""
    caught = [
        (f"{name}:{node.lineno}", node.body[0])
        for name, module in modules().items()
        for node in ast.walk(module)
        if isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Name) and node.type.id == "FAULT"
    ]
    assert caught
    assert [place for place, first in caught if not ast.unparse(first).startswith("report(")] == []


def test_instruments_come_from_the_catalogue() -> None:
    """Outside of the pipeline, whoever creates an instrument takes its name from a declared metric."""
    found = [
        f"{name}:{node.lineno}"
        for name, module in modules().items()
        if not name.startswith("pipeline/")
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and _creates_instrument(node) and not _named_by_a_metric(node)
    ]
    assert found == []


def test_what_is_public_has_a_docstring() -> None:
    """Every public class, function and method of the distribution says what it is for."""
    found = [
        f"{name}:{node.lineno} {node.name}"
        for name, module in modules().items()
        for node in _public(module)
        if ast.get_docstring(node) is None
    ]
    assert found == []


def test_every_test_states_a_fact() -> None:
    """Every test has a docstring that is its claim, and none is skipped but for what its Python's language lacks."""
    tests = [path for path in files("tests", suffix=".py") if path.name.startswith("test_")]
    silent = [
        f"{path.name}:{node.name}" for path in tests for node in _tests(parsed(path)) if not ast.get_docstring(node)
    ]
    assert silent == []
    skips = re.compile(r"pytest\.(mark\.)?(skip(?!if\(sys\.version_info)|importorskip|xfail)")
    assert [path.name for path in files("tests", suffix=".py") if skips.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize("point", our_entry_points(), ids=lambda point: f"{point.group}:{point.name}")
def test_entry_points_resolve(point: EntryPoint) -> None:
    """What pyproject.toml offers to others can be imported."""
    assert callable(point.load())


@pytest.mark.parametrize("folder", instrumentation_folders())
def test_an_instrumentation_is_complete(folder: str) -> None:
    """Each folder of `instrumentation/` has an entry point, a place in the catalogue, tests and a page."""
    values = [point.module for point in our_entry_points() if point.group == "opentelemetry_instrumentor"]
    assert any(f"{value}.".startswith(f"otel_distro.instrumentation.{folder}.") for value in values)
    assert (PACKAGE / "semconv" / f"{AREAS[folder]}.py").exists()
    assert list((ROOT / "tests" / "instrumentation" / folder).glob("test_*.py"))
    assert (ROOT / "docs" / "instrumentation" / f"{folder}.md").exists()


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    """No path of somebody's machine and no registry's host stands in the tree."""
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in text_files()
        if (match := MACHINE.search(path.read_text("utf-8", "replace")))
    ]
    assert found == []


def test_every_tree_link_of_the_documentation_leads_somewhere() -> None:
    """A relative link in README, CONTRIBUTING or docs names a file of the tree."""
    pages = [*ROOT.glob("*.md"), *files("docs", suffix=".md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#:\s]+)[^):]*\)", page.read_text("utf-8"))]
    assert [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()] == []


def _names(node: ast.ImportFrom) -> set[str]:
    return {alias.name for alias in node.names}


def _imports_sdk(module: ast.Module) -> bool:
    imported = [alias.name for node in ast.walk(module) if isinstance(node, ast.Import) for alias in node.names]
    imported += [node.module or "" for node in ast.walk(module) if isinstance(node, ast.ImportFrom)]
    return any(f"{name}.".startswith("opentelemetry.sdk.") for name in imported)


def _is_broad(caught: ast.expr | None) -> bool:
    kinds = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"}) for kind in kinds
    )


def _raises_again(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Raise)


def _creates_instrument(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and bool(INSTRUMENTS.fullmatch(call.func.attr))


def _named_by_a_metric(call: ast.Call) -> bool:
    return bool(call.args) and isinstance(call.args[0], ast.Attribute) and call.args[0].attr == "name"


Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _public(holder: ast.Module | ast.ClassDef) -> list[Definition]:
    found: list[Definition] = []
    for node in holder.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            found.append(node)
            found += _public(node) if isinstance(node, ast.ClassDef) else []
    return found


def _tests(module: ast.Module) -> list[Definition]:
    return [node for node in _public(module) if node.name.startswith("test_")]
