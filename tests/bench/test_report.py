"""Where results go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import report
from bench.goals import GOALS

LINE = {"over_pct": 9.0, "over_pct_low": 7.0, "over_pct_high": 11.0, "path_us": 120.0, "thread_us": 60.0}
CERTAINTY = {
    "bare_us": {"median": 2000.0},
    **{key: {"over_pct_from": 8.0, "over_pct_to": 10.0} for key in ("ours", "upstream", "upstream_http")},
}
RAW = {"idle_us": {"ours": 9.6, "upstream": 0.0, "upstream_http": 0.0}}
WHOLE: dict[str, Any] = {"rounds": 120, "certainty": CERTAINTY, "raw": RAW, "complaints": []}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results and page in a folder of their own."""
    monkeypatch.setattr(report, "LATEST", tmp_path / "results" / "latest.json")
    monkeypatch.setattr(report, "DETAILS", tmp_path / "results" / "details.json")
    monkeypatch.setattr(report, "PAGE", tmp_path / "page.md")
    parts = ("goals", "micro", "variants", "peers", "paired")
    places = "".join(f"<!-- bench:{part} -->\nold\n<!-- /bench:{part} -->\n" for part in parts)
    (tmp_path / "page.md").write_text(f"{places}after\n", "utf-8")
    return tmp_path


def test_a_part_is_replaced_and_the_other_stays(folder: Path) -> None:
    """Method B writes `paired`, and leaves method A's `variants` as they were."""
    (folder / "results").mkdir()
    report.LATEST.write_text(json.dumps({"variants": {"bare": {}}, "paired": {"old": {}}}), "utf-8")
    report.write("paired", {"ours": LINE}, WHOLE)
    assert json.loads(report.LATEST.read_text("utf-8")) == {"variants": {"bare": {}}, "paired": {"ours": LINE}}


def test_the_table_stands_between_its_markers(folder: Path) -> None:
    """The rest of the page is untouched; what was not delivered is said below the table."""
    report.write("paired", {"ours": LINE}, {**WHOLE, "complaints": ["no logs"]})
    page = report.PAGE.read_text("utf-8")
    assert "old\n<!-- /bench:peers -->\n<!-- bench:paired -->\n\nMeasured " in page
    assert "| ours | 9.0 (7.0 to 11.0) | 8.0 to 10.0 | 120 | 60 | 10 |\n\n- **not delivered**: no logs" in page
    assert page.endswith("<!-- /bench:paired -->\nafter\n")


def variants(ratio: float, *names: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A run of method A with these variants, all of the same ratio."""
    fields = ("cpu_us", "overhead_us", "rps", "p50_ms", "p99_ms", "spans", "logs", "points", "rss_mb", "start_cpu_s")
    lines = {name: {**dict.fromkeys(fields, 1.0), "ratio": ratio} for name in names}
    each = dict.fromkeys(names, f"{ratio}")
    return lines, {
        "titles": {name: name for name in names},
        "ratios": each,
        "gaps": {},
        "missing": [],
        "rounds": 12,
        "complaints": [],
    }


def ratios() -> dict[str, float]:
    """As `latest.json` has them."""
    return {name: line["ratio"] for name, line in json.loads(report.LATEST.read_text("utf-8"))["variants"].items()}


def test_a_run_of_the_core_leaves_the_peers_as_they_were(folder: Path) -> None:
    """The peers are measured rarely; what they came to is not lost by the next `make bench`."""
    report.write("peers", *variants(1.0, "bare", "ours", "sentry"))
    report.write("variants", *variants(2.0, "bare", "ours"))
    assert ratios() == {"bare": 2.0, "ours": 2.0, "sentry": 1.0}


def test_a_run_with_the_peers_leaves_the_core_as_it_was(folder: Path) -> None:
    """The record of ours is that of the core's own run; peers of which there is nothing new are gone."""
    report.write("variants", *variants(1.0, "bare", "ours"))
    report.write("peers", *variants(2.0, "bare", "ours", "splunk"))
    report.write("peers", *variants(3.0, "bare", "ours", "sentry"))
    assert ratios() == {"bare": 1.0, "ours": 1.0, "sentry": 3.0}


def test_the_peers_table_has_the_bare_and_the_date_of_its_own_run(folder: Path) -> None:
    """A reader compares within one table; the details have the whole run, too."""
    report.write("peers", *variants(2.0, "bare", "ours", "sentry"))
    report.write("variants", *variants(1.0, "bare", "ours"))
    page, details = report.PAGE.read_text("utf-8"), json.loads(report.DETAILS.read_text("utf-8"))
    table = page.partition("<!-- bench:peers -->")[2].partition("<!-- /bench:peers -->")[0]
    assert [row.split(" | ")[:3] for row in table.splitlines() if row.startswith("| ")][2:] == [
        ["| bare", "1", "2.0"],
        ["| ours", "1", "2.0"],
        ["| sentry", "1", "2.0"],
    ]
    assert f"Measured {details['peers']['machine']['at']}" in table
    assert details["peers"]["lines"].keys() == {"bare", "ours", "sentry"}


def test_single_operations_are_on_the_page_all_of_them(folder: Path) -> None:
    """A row for each that was measured."""
    report.write("micro", {"set_attribute": 0.176, "context switch: attach and detach": 0.31}, {})
    page = report.PAGE.read_text("utf-8")
    assert "| set_attribute | 0.18 |\n| context switch: attach and detach | 0.31 |\n" in page
    assert not report.LATEST.exists()


def test_other_figures_go_to_the_details_only(folder: Path) -> None:
    """`latest.json` has the two methods and nothing else."""
    report.write("memory", {"ours": {"rss_mb": 90}}, {"requests": 60_000, "last": 40_000})
    assert not report.LATEST.exists()
    assert json.loads(report.DETAILS.read_text("utf-8"))["memory"]["requests"] == 60000


def test_each_goal_is_met_or_not_by_the_newest_figures(folder: Path) -> None:
    """A part that nobody measured counts as not met."""
    upstream = {"upstream": {**LINE, "over_pct": 60.0}, "upstream_http": {**LINE, "over_pct": 90.0}}
    report.write("paired", {"ours": LINE, **upstream}, WHOLE)
    goals = report.PAGE.read_text("utf-8").partition("<!-- /bench:goals -->")[0]
    assert "| one process: CPU over bare | at most 10 % | 9.0 % (95 %: 8.0 to 10.0) | yes |" in goals
    assert "| one process: overhead against upstream's | at most 1/8 | 1/6.7 | **no** |" in goals
    assert "| memory over bare | at most 20 MB | not measured | no |" in goals


def test_no_goal_is_met_by_a_run_in_which_somebody_did_not_deliver(folder: Path) -> None:
    """The row says so."""
    report.write("paired", {"ours": LINE}, {**WHOLE, "complaints": ["ours delivered 0 spans"]})
    row = "| one process: CPU over bare | at most 10 % | 9.0 % (95 %: 8.0 to 10.0); ours delivered 0 spans | **no** |"
    assert row in report.PAGE.read_text("utf-8")


def test_a_short_run_is_no_record(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said, and what was on record stays."""
    report.write("paired", {"ours": LINE}, WHOLE)
    files = (report.DETAILS, report.LATEST, report.PAGE)
    before = [path.read_text("utf-8") for path in files]
    report.write("paired", {"ours": {**LINE, "over_pct": 1.0}}, {**WHOLE, "rounds": 3})
    assert [path.read_text("utf-8") for path in files] == before
    assert "NOT RECORDED: paired too short: 3 rounds" in "".join(capsys.readouterr())


@pytest.mark.parametrize(("cpu", "met"), [(0.0299, "yes"), (0.03, "**no**")], ids=["less", "as much"])
def test_a_goal_that_says_below_is_not_met_by_as_much(cpu: float, met: str) -> None:
    """The import has to take less than 30 ms."""
    goal = next(goal for goal in GOALS if goal.text == "below 30 ms")
    part = {"lines": {}, "rounds": 9, "import_cpu_s": cpu, "machine": {"at": "today"}}
    assert goal.row({"startup": part})[3] == met


def test_each_goal_is_as_strict_as_its_text() -> None:
    """`below` and `less` exclude the limit itself; `at most`, `at least` and `within` include it."""
    for goal in GOALS:
        assert goal.meets(goal.limit, goal.limit) == (goal.text.split()[0] not in {"below", "less"}), goal.name


def test_the_page_shows_the_results_on_record() -> None:
    """No figure of the table of goals is older than the results beside it."""
    details = json.loads(report.DETAILS.read_text("utf-8"))
    assert report.goals(details) in report.PAGE.read_text("utf-8")
