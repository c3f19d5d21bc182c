"""What the reading commands print."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import COMMAND, Terminal
from tests.viewer.client import TRACE, Client, attributes, log, span

Stored = Callable[[], Terminal]
Run = Callable[..., subprocess.CompletedProcess[str]]
OTHER = "ab" * 16
EVIL = "\x1b]0;owned\x07\x9b2J\u202egnp.exe\r\nsecond"


def checkout(viewer: Client) -> None:
    """Send one correlated checkout: web, SQL, publish, run; with an error in the worker."""
    request = attributes({"request_id": "r-1", "http.request.method": "POST", "http.route": "/checkout"})
    status = {"key": "http.response.status_code", "value": {"intValue": "201"}}
    viewer.send(
        "traces",
        span(1, name="POST /checkout", kind=2, attributes=[*request, status]),
        span(2, 1, name="INSERT orders", kind=3, attributes=attributes({"db.system.name": "sqlite"})),
        span(4, 1, name="publish shop.fulfil_order", kind=4),
    )
    exception = {
        "name": "exception",
        "attributes": attributes({"exception.type": "E", "exception.message": "no"}),
    }
    failed = span(5, 4, name="run shop.fulfil_order", kind=5, status={"code": 2, "message": "no"}, events=[exception])
    viewer.send("traces", failed, service="shop-worker")
    viewer.send("logs", log(3, "order placed", 1, request_id="r-1"), log(9, "without a request"))
    stack = {"exception.stacktrace": "\n".join(f"frame {number}" for number in range(20))}
    viewer.send("logs", log(6, "failed", 5, request_id="r-1", **stack), service="shop-worker")


def test_a_trace_is_a_tree_with_its_log_lines_inside(viewer: Client, terminal: Stored) -> None:
    """By request id or by trace id, the same text."""
    checkout(viewer)
    shown = terminal()
    assert shown("trace", "r-1") == shown("trace", TRACE)
    assert shown("trace", "r-1").splitlines() == [
        f"trace {TRACE} · request r-1 · 104,000.0 ms · 4 spans, 2 log lines · 1 with errors",
        "     +0.0 POST /checkout  [shop]  server  100,000.0 ms  http.response.status_code=201",
        "  +1000.0 ├─ INSERT orders  client  100,000.0 ms  db.system.name=sqlite",
        "  +2000.0 ├─ INFO  shop.checkout: order placed",
        "  +3000.0 └─ publish shop.fulfil_order  producer  100,000.0 ms",
        "  +4000.0    └─ run shop.fulfil_order  [shop-worker]  consumer  100,000.0 ms  ERROR no",
        "                │  exception E: no",
        "  +5000.0       └─ INFO  shop.checkout: failed",
        "                   ... 14 lines",
        *(f"                   frame {number}" for number in range(14, 20)),
    ]


def test_json_has_everything(viewer: Client, terminal: Stored) -> None:
    """--json prints one object per line, with depth, spans and logs."""
    checkout(viewer)
    shown = terminal()
    (trace,) = shown.json("trace", "r-1")
    spans = [entry["span"]["name"] for entry in trace["entries"] if entry["span"]]
    assert (trace["trace_id"], trace["truncated"]) == (TRACE, False)
    assert spans[0] == "POST /checkout"
    assert [entry["depth"] for entry in trace["entries"]] == [0, 1, 1, 1, 2, 3]
    assert [row["trace_id"] for row in shown.json("traces", "--status", "error")] == [TRACE]
    assert [row["body"] for row in shown.json("logs", "--trace", TRACE)] == ["order placed", "failed"]


def test_traces_are_listed(viewer: Client, terminal: Stored) -> None:
    """One row per trace, with filters."""
    checkout(viewer)
    viewer.send("traces", span(7, trace=OTHER, name="GET /sync"))
    shown = terminal()
    rows = shown("traces").splitlines()
    assert [row.split()[1] for row in rows] == ["TRACE", OTHER, TRACE]
    assert "POST /checkout  shop, shop-worker  104,000.0 ms  4      1       r-1" in rows[2]
    assert TRACE not in shown("traces", "--status", "ok")
    assert OTHER not in shown("traces", "--service", "shop-worker")
    assert len(shown("traces", "--limit", "1").splitlines()) == 2


def test_logs_are_listed(viewer: Client, terminal: Stored) -> None:
    """One line per record with its ids, with filters."""
    checkout(viewer)
    shown = terminal()
    lines = shown("logs").splitlines()
    assert [line.split("  ", 1)[1] for line in lines] == [
        f"[shop]  INFO  shop.checkout: order placed  request=r-1  trace={TRACE}",
        f"[shop-worker]  INFO  shop.checkout: failed  request=r-1  trace={TRACE}",
        "[shop]  INFO  shop.checkout: without a request",
    ]
    assert (
        shown("logs", "--request", "r-1", "--text", "PLACED", "--service", "shop", "--level", "info").count("\n") == 1
    )
    assert shown("logs", "--level", "error") == ""


def test_metrics_are_listed(viewer: Client, terminal: Stored) -> None:
    """Names first; the series of a name with count, sum and an exemplar."""
    exemplar = {"timeUnixNano": "5", "asDouble": 0.25, "traceId": TRACE, "spanId": "01" * 8}
    point = {
        "timeUnixNano": "9",
        "count": "3",
        "sum": 4.5,
        "exemplars": [exemplar],
        "attributes": attributes({"http.route": "/a"}),
    }
    data = {"aggregationTemporality": 2, "dataPoints": [point]}
    viewer.send("metrics", {"name": "duration", "unit": "s", "description": "How long", "histogram": data})
    shown = terminal()
    assert shown("metrics").splitlines()[1].split() == ["duration", "histogram", "s", "1", "How", "long"]
    assert shown("metrics", "duration").splitlines() == [
        "duration (histogram, s)",
        "  [shop] http.route=/a",
        "      count 3  sum 4.5",
        f"      exemplar 0.25 in trace {TRACE}",
    ]
    assert shown.json("metrics", "duration")[0]["count"] == 3
    assert shown.json("metrics")[0]["name"] == "duration"
    assert shown.fails("metrics", "nothing") == (1, "otel-distro: no metric nothing in the store")


def test_control_characters_never_reach_the_terminal(viewer: Client, terminal: Stored) -> None:
    """Names, bodies, stacks, services and attributes are cleaned in every command, and in JSON escaped."""
    named = attributes({"request_id": EVIL, "url.full": EVIL})
    point = {"timeUnixNano": "9", "asInt": "3", "attributes": attributes({"k": EVIL})}
    error = {
        "name": "exception",
        "attributes": attributes({"exception.type": EVIL, "exception.message": EVIL}),
    }
    viewer.send(
        "traces",
        span(1, name=EVIL, attributes=named, events=[error], status={"code": 2, "message": EVIL}),
        service=EVIL,
    )
    viewer.send("logs", log(3, EVIL, 1, request_id=EVIL, **{"exception.stacktrace": EVIL}), service=EVIL)
    viewer.send(
        "metrics",
        {"name": EVIL, "unit": EVIL, "description": EVIL, "gauge": {"dataPoints": [point]}},
        service=EVIL,
    )
    shown = terminal()
    commands = [["traces"], ["trace", TRACE], ["trace", EVIL], ["logs"], ["metrics"], ["metrics", EVIL]]
    for text in (
        *(shown(*command) for command in commands),
        *(shown(*command, "--json") for command in commands),
    ):
        assert "owned" in text
        assert not set(text) & {"\x1b", "\x07", "\x9b", "\u202e", "\r"}
    assert "\x1b" not in shown.fails("trace", "\x1b[2J")[1]


def test_what_is_not_there_is_said_in_one_line(viewer: Client, terminal: Stored) -> None:
    """An unknown id is exit code 1; it is looked up as a trace and as a request."""
    checkout(viewer)
    shown = terminal()
    assert shown.fails("trace", "r-9") == (1, f"otel-distro: no trace and no request r-9 in {shown.path}")


def test_a_missing_store_is_exit_code_two(tmp_path: Path, run: Run) -> None:
    """The line names the setting and how to fill a store; the setting is obeyed."""
    path = tmp_path / "none.db"
    done = run("traces", OTEL_DISTRO_VIEWER_DB=str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"otel-distro: no store at {path} (`otel-distro view` fills one; OTEL_DISTRO_VIEWER_DB or --db names another)\n"
    )


def test_the_setting_names_the_store(viewer: Client, terminal: Stored, run: Run) -> None:
    """OTEL_DISTRO_VIEWER_DB is read by the command; plain ASCII terminals get plain branches."""
    checkout(viewer)
    path = terminal().path
    done = run("trace", "r-1", OTEL_DISTRO_VIEWER_DB=str(path), PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0
    assert "|- INSERT orders" in done.stdout


def test_a_reader_that_stops_early_is_no_error(viewer: Client, terminal: Stored) -> None:
    """`otel-distro logs | head -1` ends quietly."""
    for start in range(0, 5000, 1000):
        viewer.send("logs", *(log(second + 1, "x" * 100) for second in range(start, start + 1000)))
    path = terminal().path
    done = subprocess.run(
        f"{COMMAND} logs --limit 5000 --db {path} | head -1",
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (done.stdout.count("\n"), done.stderr) == (1, "")
