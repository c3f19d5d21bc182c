"""Real workers in their own processes: nothing of what they ran is lost when they stop."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from opentelemetry import trace

from otel_distro.context.work import CURRENT, Work
from otel_distro.instrumentation.celery import CeleryInstrumentor
from tests.conftest import Telemetry
from tests.instrumentation.celery.orders import register

pytestmark = [
    pytest.mark.integration,
    # Celery's result backend leaves its connection to Redis to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ROOT = Path(__file__).parents[3]


class Worker:
    """A `celery worker` process, and what it has flushed."""

    def __init__(self, broker: str, queue: str, folder: Path, *options: str) -> None:
        self.folder = folder
        environment = {**os.environ, "BROKER_URL": broker, "QUEUE": queue, "TELEMETRY_FOLDER": str(folder)}
        command = ["-m", "celery", "-A", "tests.instrumentation.celery.worker_app", "worker", "-l", "INFO"]
        with (folder / "output.txt").open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *command, *options],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def stop(self, number: int = signal.SIGTERM) -> list[dict[str, Any]]:
        """End the worker, once it is up, by a signal; all that its processes flushed."""
        until(lambda: " ready." in self.output, "the worker to be ready")  # before, Celery 5.4 may hang on it
        self.process.send_signal(number)
        self.process.wait(timeout=60)
        return [json.loads(line) for file in self.folder.glob("*.jsonl") for line in file.read_text().splitlines()]

    @property
    def output(self) -> str:
        """What the worker has printed."""
        return (self.folder / "output.txt").read_text(errors="replace")


@pytest.fixture
def orders(instrumented: CeleryInstrumentor, redis_url: str) -> Iterator[Celery]:
    """The publishing side, with a queue of its own in Redis."""
    app = Celery("orders", broker=redis_url, backend=redis_url, set_as_current=False)
    app.conf.task_default_queue = f"q{uuid4().hex[:8]}"
    register(app)
    yield app
    app.close()
    gc.collect()


@pytest.fixture
def start(orders: Celery, redis_url: str, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Start workers for that queue; those still running at the end are killed."""
    workers: list[Worker] = []

    def begin(*options: str) -> Worker:
        workers.append(Worker(redis_url, orders.conf.task_default_queue, tmp_path, *options))
        return workers[-1]

    yield begin
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait()


def publish(app: Celery, count: int) -> list[Any]:
    """Publish tasks, each for a request of its own."""
    results = []
    for number in range(count):
        token = CURRENT.set(Work({"request_id": f"r-{number}"}))
        results.append(app.tasks["orders.pack"].delay(number))
        CURRENT.reset(token)
    return results


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition, at most 30 s."""
    give_up = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < give_up, f"waited in vain for {what}"
        time.sleep(0.01)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["-P", "prefork", "-c", "2"], id="prefork"),
        pytest.param(["-P", "prefork", "-c", "2", "--max-tasks-per-child", "2"], id="prefork recycled"),
        pytest.param(["-P", "threads", "-c", "2"], id="threads"),
        pytest.param(["-P", "solo"], id="solo"),
    ],
)
def test_every_run_arrives(
    orders: Celery, start: Callable[..., Worker], telemetry: Telemetry, options: list[str]
) -> None:
    """After a warm shutdown each run is there, in its publisher's trace; polling made no span."""
    results = publish(orders, 7)
    worker = start(*options)
    seen = [result.get(timeout=60) for result in results]
    lines = worker.stop()
    assert worker.process.returncode == 0, worker.output
    published = {f"{span.context.span_id:016x}": span for span in telemetry.spans("publish orders.pack")}
    assert sorted(line["span"] for line in lines) == ["run orders.pack"] * 7, worker.output
    for line in lines:
        assert line["trace_id"] == f"{published[line['parent']].context.trace_id:032x}"
        assert line["attributes"]["celery.task.outcome"] == "success"
        assert line["attributes"]["messaging.destination.name"] == orders.conf.task_default_queue
    assert [answer["request_id"] for answer in seen] == [f"r-{number}" for number in range(7)]
    assert {answer["trace_id"] for answer in seen} == {line["trace_id"] for line in lines}


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_failures_arrive_with_their_exception(
    orders: Celery, start: Callable[..., Worker], telemetry: Telemetry, pool: str
) -> None:
    """A failing task's exception record arrives from the process that ran it, once and in its span."""
    result = orders.tasks["orders.pay"].delay(1)
    worker = start("-P", pool, "-c", "1")
    assert "order 1" in str(result.get(timeout=60, propagate=False))
    lines = worker.stop()
    [span] = [line for line in lines if "span" in line]
    [record] = [line for line in lines if "log" in line]
    assert record["log"] == "tests.instrumentation.celery.orders.CardDeclinedError: order 1"
    assert (record["trace_id"], record["span_id"]) == (span["trace_id"], span["span_id"])
    assert span["status"] == "ERROR"


def test_retries_cross_processes(orders: Celery, start: Callable[..., Worker], telemetry: Telemetry) -> None:
    """All runs and publishes of a retried task are in one trace, each run under its publish."""
    with trace.get_tracer("web").start_as_current_span("POST /price") as web:
        result = orders.tasks["orders.price"].delay()
    worker = start("-P", "prefork", "-c", "2")
    assert result.get(timeout=60) == 2
    lines = worker.stop()
    assert {line["trace_id"] for line in lines} == {f"{web.get_span_context().trace_id:032x}"}
    spans = {line["span_id"]: line for line in lines}
    runs = [line for line in lines if line["span"] == "run orders.price"]
    assert len(runs) == 3
    assert (
        sorted(spans[run["parent"]]["span"] for run in runs if run["parent"] in spans) == ["publish orders.price"] * 2
    )


def test_a_terminated_run_is_revoked(
    orders: Celery, start: Callable[..., Worker], telemetry: Telemetry, tmp_path: Path
) -> None:
    """`revoke(terminate=True)` of a running task ends its span as revoked, with no error."""
    marker = tmp_path / "running"
    result = orders.tasks["orders.wait"].delay(str(marker), 60)
    worker = start("-P", "prefork", "-c", "1")
    until(marker.exists, "the task to run")
    result.revoke(terminate=True)
    until(lambda: list(tmp_path.glob("*.jsonl")) != [], "the terminated process to flush")
    [span] = [line for line in worker.stop() if "span" in line]
    assert span["attributes"]["celery.task.outcome"] == "revoked"
    assert span["status"] == "UNSET"


def test_the_workers_own_lines_are_in_the_publishers_trace(
    orders: Celery,
    start: Callable[..., Worker],
    telemetry: Telemetry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the main process logs of a message (received, over its time, revoked) has the publisher's ids."""
    monkeypatch.setenv("RECORD_LINES", "1")
    monkeypatch.setenv("OTEL_DISTRO_LOG_FORMAT", "app")
    token = CURRENT.set(Work({"request_id": "r-9"}))
    result = orders.tasks["orders.wait"].apply_async((str(tmp_path / "running"), 60), soft_time_limit=1)
    late = orders.tasks["orders.pack"].apply_async((1,), expires=-1)
    CURRENT.reset(token)
    worker = start("-P", "prefork", "-c", "1")
    assert "SoftTimeLimitExceeded" in repr(result.get(timeout=60, propagate=False))
    late.get(timeout=60, propagate=False)
    lines = [line for line in worker.stop() if "log" in line]
    spans = {span.name: span.context for span in telemetry.spans()}
    for text, task in (
        (f"Task orders.wait[{result.id}] received", "wait"),
        (f"Soft time limit (1s) exceeded for orders.wait[{result.id}]", "wait"),
        (f"Task orders.pack[{late.id}] received", "pack"),
        (f"Discarding revoked task: orders.pack[{late.id}]", "pack"),
    ):
        found = [line for line in lines if line["log"] == text]
        assert len(found) == worker.output.count(text) > 0  # under load Celery says "Soft time limit" twice
        assert {line["trace_id"] for line in found} == {f"{spans[f'publish orders.{task}'].trace_id:032x}"}
        assert all(line["fields"] == {"request_id": "r-9"} for line in found)
    [ready] = [line for line in lines if line["log"].endswith(" ready.")]
    assert (int(ready["trace_id"], 16), ready["fields"]) == (0, {})


def test_messages_of_ours_run_without_us(orders: Celery, redis_url: str, tmp_path: Path, telemetry: Telemetry) -> None:
    """A worker that knows nothing of this distribution accepts and runs what we publish."""
    program = (
        "import os; from celery import Celery; from tests.instrumentation.celery.orders import register;"
        "app = Celery('orders', broker=os.environ['BROKER_URL'], backend=os.environ['BROKER_URL']);"
        "app.conf.task_default_queue = os.environ['QUEUE']; register(app);"
        "app.worker_main(['worker', '-P', 'solo', '-l', 'ERROR'])"
    )
    environment = {**os.environ, "BROKER_URL": redis_url, "QUEUE": orders.conf.task_default_queue}
    [result] = publish(orders, 1)
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=environment)
    try:
        assert result.get(timeout=60)["trace_id"] == "0" * 32
    finally:
        process.terminate()
        process.wait(timeout=60)
