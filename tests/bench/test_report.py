"""Where results go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import report

LINE = {"over_pct": 9.0, "over_pct_low": 7.0, "over_pct_high": 11.0, "path_us": 120.0, "thread_us": 60.0}
CERTAINTY = {
    "bare_us": {"median": 2000.0},
    **{key: {"over_pct_from": 8.0, "over_pct_to": 10.0} for key in ("ours", "upstream")},
}
SHORT = {"rounds": 3, "complaints": []}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results and page in a folder of their own."""
    monkeypatch.setattr(report, "LATEST", tmp_path / "results" / "latest.json")
    monkeypatch.setattr(report, "DETAILS", tmp_path / "results" / "details.json")
    monkeypatch.setattr(report, "PAGE", tmp_path / "page.md")
    (tmp_path / "page.md").write_text(
        "<!-- bench:goals -->\n<!-- /bench:goals -->\n"
        "before\n<!-- bench:paired -->\nold\n<!-- /bench:paired -->\nafter\n",
        "utf-8",
    )
    return tmp_path


def test_a_part_is_replaced_and_the_other_stays(folder: Path) -> None:
    """Method B writes `paired`, and leaves method A's `variants` as they were."""
    (folder / "results").mkdir()
    report.LATEST.write_text(json.dumps({"variants": {"bare": {}}, "paired": {"old": {}}}), "utf-8")
    report.write("paired", {"ours": LINE}, {"rounds": 3, "certainty": CERTAINTY, "complaints": []})
    assert json.loads(report.LATEST.read_text("utf-8")) == {"variants": {"bare": {}}, "paired": {"ours": LINE}}


def test_the_table_stands_between_its_markers(folder: Path) -> None:
    """The rest of the page is untouched; what was not delivered is said below the table."""
    report.write("paired", {"ours": LINE}, {"rounds": 3, "certainty": CERTAINTY, "complaints": ["no logs"]})
    page = report.PAGE.read_text("utf-8")
    assert "<!-- /bench:goals -->\nbefore\n<!-- bench:paired -->\n\nMeasured " in page
    assert "| ours | 9.0 (7.0 to 11.0) | 8.0 to 10.0 | 120 | 60 |\n\n- **not delivered**: no logs" in page
    assert page.endswith("<!-- /bench:paired -->\nafter\n")


def test_other_figures_go_to_the_details_only(folder: Path) -> None:
    """`latest.json` has the two methods and nothing else."""
    report.write("memory", {"ours": {"rss_mb": 90}}, {"requests": 60000})
    assert not report.LATEST.exists()
    assert json.loads(report.DETAILS.read_text("utf-8"))["memory"]["requests"] == 60000


def test_each_goal_is_met_or_not_by_the_newest_figures(folder: Path) -> None:
    """A part that nobody measured counts as not met."""
    report.write("paired", {"ours": LINE, "upstream": {**LINE, "over_pct": 60.0}}, {"certainty": CERTAINTY, **SHORT})
    goals = report.PAGE.read_text("utf-8").partition("<!-- /bench:goals -->")[0]
    assert "| one process: CPU over bare | at most 10 % | 9.0 % (95 %: 8.0 to 10.0) | yes |" in goals
    assert "| one process: overhead against upstream's | at most 1/8 | 1/6.7 | **no** |" in goals
    assert "| memory over bare | at most 20 MB | not measured | no |" in goals


def test_the_page_shows_the_results_on_record() -> None:
    """No figure of the table of goals is older than the results beside it."""
    details = json.loads(report.DETAILS.read_text("utf-8"))
    assert report.goals(details) in report.PAGE.read_text("utf-8")
