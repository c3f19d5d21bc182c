"""`otel-distro demo`: the example shop under real traffic, and what its telemetry tells."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otel_distro.cli.correlation import Sent, correlate
from otel_distro.cli.database import add_database_option, demo_database, unwritable
from otel_distro.cli.render import trace_lines
from otel_distro.cli.shop import Shop, examples
from otel_distro.cli.terminal import CommandError, clean, say, say_json, tell
from otel_distro.cli.viewer import open_server
from otel_distro.viewer.query import Query
from otel_distro.viewer.schema import StoreError, copy

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from otel_distro.cli.correlation import Correlation

TRAFFIC_SECONDS = 20.0
SETTLE_SECONDS = 10.0
POLL_SECONDS = 0.5
PAUSE_SECONDS = 0.05
QUIET_ROUTES = frozenset({"/health"})  # no span and no line by default, so nothing to correlate
SHOWN_KINDS = ("checkout", "fail", "stripe")
SHOWN_PROBLEMS = 10
# What a request of a kind sets off in the worker: the task, and how often it runs.
TASKS = {
    "checkout": ("shop.fulfil_order", 1),
    "oversized_checkout": ("shop.fulfil_order", 1),
    "stripe": ("shop.handle_payment", 1),
    "flaky": ("shop.flaky", 3),
    "failing_task": ("shop.failing", 1),
}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `demo`."""
    parser = commands.add_parser("demo", help="run the example shop under mixed traffic and show what is recorded")
    parser.add_argument("--once", action="store_true", help="end after one run of traffic (today it always does)")
    parser.add_argument("--seconds", type=float, default=TRAFFIC_SECONDS, help="of traffic (default: %(default)g)")
    parser.add_argument("--json", action="store_true", help="the counts as one JSON object, the rest on stderr")
    add_database_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; 0 when every request is correlated and no log record is an orphan."""
    signal.signal(signal.SIGTERM, _end)
    examples()
    tell_result = tell if arguments.json else say
    with _kept_store(arguments.db) as keep, tempfile.TemporaryDirectory(prefix="otel-distro-demo-") as folder:
        store = Path(folder, "viewer.db")
        sent, correlation = _observe(Path(folder), store, arguments.seconds)
        keep(store)
        with Query(store) as query:
            counts = _counts(query, correlation)
            for line in _report(query, sent, correlation):
                tell_result(line)
    path = arguments.db or demo_database()
    tell_result(f"read it back: otel-distro traces --db {path} (also trace ID, logs, metrics)")
    if arguments.json:
        say_json(counts)
    else:
        say("  ".join(f"{name}={number}" for name, number in counts.items()))
    return 0 if correlation.complete else 1


def _observe(folder: Path, store: Path, seconds: float) -> tuple[list[Sent], Correlation]:
    server = open_server(store, 0)
    server.start()
    try:
        tell("starting the shop (web process and Celery worker) under opentelemetry-instrument")
        with Shop(folder, server.endpoint) as shop:
            tell(f"sending mixed traffic for {seconds:g} s")
            sent = list(_traffic(shop, seconds))
            tell(f"sent {len(sent)} requests; waiting for their telemetry")
            _settle(store, sent, shop)
    finally:
        server.stop()
    with Query(store) as query:
        return sent, correlate(query, sent)


def _traffic(shop: Shop, seconds: float) -> Iterator[Sent]:
    """Send every kind of request in turn: at least one round, then until the time is over."""
    traffic = _load_traffic()
    kinds = [kind for kind, call in traffic.CALLS.items() if call().route not in QUIET_ROUTES]
    deadline = time.monotonic() + seconds
    with closing(traffic.Customer(shop.url)) as customer:
        first = True
        while first or time.monotonic() < deadline:
            for kind in kinds:
                if not first and time.monotonic() >= deadline:
                    return
                shop.check()
                result = customer.send(kind)
                yield _sent(result)
                time.sleep(PAUSE_SECONDS)
            first = False


def _load_traffic() -> Any:
    folder = str(examples())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return importlib.import_module("shop.traffic")
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed: pip install 'otel-distro[demo]'"
        raise CommandError(message) from error


def _sent(result: Any) -> Sent:
    if result.status != result.expected_status:
        tell(f"{result.method} {result.route} answered {result.status}, not {result.expected_status}")
    task, runs = TASKS.get(result.kind, (None, 0))
    return Sent(result.kind, result.method, result.route, result.status, result.response_request_id, task, runs)


def _settle(store: Path, sent: list[Sent], shop: Shop) -> None:
    """Wait until everything is there, or nothing more has come for a while: that is reported as missing."""
    with Query(store) as query:
        before, deadline = -1, time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            correlation = correlate(query, sent)
            if correlation.complete:
                return
            if correlation.correlated > before:
                before, deadline = correlation.correlated, time.monotonic() + SETTLE_SECONDS
            shop.check()
            time.sleep(POLL_SECONDS)


def _counts(query: Query, correlation: Correlation) -> dict[str, int]:
    counts = query.counts()
    return {
        "requests": len(correlation.missing),
        "traces": counts.traces,
        "spans": counts.spans,
        "logs": counts.logs,
        "metric_points": counts.metric_points,
        "correlated_requests": correlation.correlated,
        "orphan_logs": len(correlation.orphans),
    }


def _report(query: Query, sent: list[Sent], correlation: Correlation) -> Iterator[str]:
    for kind in SHOWN_KINDS:
        request = next((one for one in sent if one.kind == kind), None)
        if request is None or request.request_id is None:
            continue
        yield ""
        request_id = clean(request.request_id)
        yield f"{request.method} {request.route} answered {request.status}, X-Request-ID {request_id}"
        for trace in query.find_traces(request.request_id):
            yield from trace_lines(trace)
    yield ""
    incomplete = [(request, lacks) for request, lacks in correlation.missing if lacks]
    for request, lacks in incomplete[:SHOWN_PROBLEMS]:
        yield f"not correlated: {request.kind} {clean(request.request_id)} lacks {clean('; '.join(lacks))}"
    for log in correlation.orphans[:SHOWN_PROBLEMS]:
        yield f"orphan log: [{clean(log.service)}] {clean(log.logger)}: {clean(log.body)}"


@contextmanager
def _kept_store(given: Path | None) -> Iterator[Callable[[Path], None]]:
    """Give what keeps the finished store: at `given`, which must be new, or in place of the last demo's.

    That the place can be written is found out before the demo runs.
    """
    target = given.expanduser() if given is not None else demo_database()
    if given is not None and target.exists():
        raise CommandError(f"{target} exists already: --db takes a new file")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.touch(0o600)
    except OSError as error:
        raise unwritable(StoreError(f"cannot write {target}: {error.strerror}")) from error

    def keep(store: Path) -> None:
        copy(store, draft)
        draft.replace(target)

    try:
        yield keep
    finally:
        draft.unlink(missing_ok=True)


def _end(*_signal: object) -> None:
    sys.exit(128 + signal.SIGTERM)
