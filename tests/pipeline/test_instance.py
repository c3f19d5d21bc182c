"""`service.instance.id` is a slot: the lowest that is free on this host, and free again when the process ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from time import time_ns

from opentelemetry.sdk.resources import Resource

from otel_distro import config
from otel_distro.pipeline import Pipeline
from otel_distro.pipeline.instance import Slot
from otel_distro.pipeline.thread import Outputs
from tests.exporter.server import OtlpServer
from tests.pipeline.program import ended, environment

HOLD = "import sys; from pathlib import Path; from otel_distro.pipeline.instance import Slot; "
HOLD += "slot = Slot(Path(sys.argv[1]), 'shop'); print(slot.acquire(), flush=True); sys.stdin.read()"


def test_two_slots_differ_and_a_freed_one_is_taken_again(tmp_path: Path) -> None:
    """A recycled worker goes on with the id of the one before."""
    first, second = Slot(tmp_path, "shop"), Slot(tmp_path, "shop")
    ids = [first.acquire(), second.acquire()]
    assert len(set(ids)) == 2
    first.release()
    assert Slot(tmp_path, "shop").acquire() == ids[0]


def test_services_have_slots_of_their_own(tmp_path: Path) -> None:
    """The first of each service has another id."""
    assert Slot(tmp_path, "a").acquire() != Slot(tmp_path, "b").acquire()


def test_a_process_that_dies_frees_its_slot(tmp_path: Path) -> None:
    """By the kernel, however it died."""
    held = []
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        held.append(process.stdout.readline())
        process.kill()
        process.communicate()
    assert held[0] == held[1] != ""


def test_without_a_place_for_locks_the_id_is_random(tmp_path: Path) -> None:
    """A cache directory that can't be written stops nothing."""
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert Slot(blocked, "shop").acquire() != Slot(blocked, "shop").acquire()


def test_the_pipeline_takes_its_slot_with_the_first_record(tmp_path: Path) -> None:
    """Not before: a process that emits nothing is no instance of the service; then every signal has the id."""
    settings = config.load({"OTEL_DISTRO_CACHE_DIR": str(tmp_path)})
    pipeline = Pipeline(settings, Resource({"service.name": "shop"}))
    pipeline.build(Outputs())
    assert not list(tmp_path.iterdir())
    pipeline.tracer_provider.get_tracer("app").start_span("name").end()
    expected = pipeline.resource.attributes["service.instance.id"]
    assert Slot(tmp_path, "shop").acquire() != expected
    for provider in (pipeline.tracer_provider, pipeline.logger_provider):
        assert provider.resource.attributes["service.instance.id"] == expected
    assert pipeline.meter_provider._sdk_config.resource.attributes["service.instance.id"] == expected
    pipeline.shutdown(1000)


def test_zero_is_said_after_the_one_before_had_its_last_word(server: OtlpServer, tmp_path: Path) -> None:
    """The slot's last process may have counted until a moment ago: zero is not said of a time before this one's."""
    program = """
from opentelemetry.trace import SpanKind
long_ago = time.time_ns() - 60 * 10**9
attributes = {"celery.task.name": "work", "celery.task.outcome": "success"}
run = trace.get_tracer("otel_distro.celery").start_span("run", kind=SpanKind.CONSUMER, start_time=long_ago)
run.set_attributes(attributes)
run.end()
"""
    before = time_ns()
    done = ended(program, environment(server, tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    [zero, one] = [point for metric in server.metrics("celery.task.runs") for point in metric.sum.data_points]
    assert (zero.as_int, one.as_int) == (0, 1)
    assert before < zero.time_unix_nano < one.time_unix_nano
