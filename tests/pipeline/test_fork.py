"""A forked child has zero counts, an identity of its own, and what its parent took is its parent's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.exporter.grpc_server import GrpcServer
from tests.exporter.server import OtlpServer, Receiver, Reply
from tests.pipeline.program import by_instance, ended, environment

pytestmark = pytest.mark.integration


def last_values(server: OtlpServer, name: str) -> list[int]:
    """The last value of a counter for each instance."""
    last: dict[str, int] = {}
    for resource, scope in server.scopes("metrics"):
        (instance,) = [pair.value.string_value for pair in resource.attributes if pair.key == "service.instance.id"]
        for metric in scope.metrics:
            if metric.name == name:
                last[instance] = sum(point.as_int for point in metric.sum.data_points)
    return sorted(last.values())


def test_parent_and_child_send_what_is_theirs(server: OtlpServer, tmp_path: Path) -> None:
    """Each span leaves once, from the process that ended it, under that process's instance id; counts start at zero."""
    program = """
orders.add(5)
span("before")
pipeline.worker.flush(10_000)
span("waiting")
child = os.fork()
if not child:
    orders.add(1)
    span("child")
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
span("after")
"""
    done = ended(program, environment(server, tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    spans = sorted(by_instance(server, "traces", "spans").values())
    assert spans == [["before", "waiting", "after"], ["child"]]
    assert last_values(server, "orders") == [1, 5]


def test_the_child_s_own_counts_start_at_zero(server: OtlpServer, tmp_path: Path) -> None:
    """The self-metrics of the child do not contain its parent's."""
    program = """
for _ in range(50):
    span("parent")
pipeline.worker.flush(10_000)
if not os.fork():
    span("child")
    sys.exit()
os.wait()
"""
    done = ended(program, environment(server, tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    records: dict[Any, int] = {}
    for resource, scope in server.scopes("metrics"):
        (instance,) = [pair.value.string_value for pair in resource.attributes if pair.key == "service.instance.id"]
        for metric in scope.metrics:
            if metric.name == "otel_distro.exports":
                records[instance] = max(point.as_int for point in metric.sum.data_points)
    spans = {tuple(names): instance for instance, names in by_instance(server, "traces", "spans").items()}
    assert records[spans["child",]] <= records[spans[("parent",) * 50]]
    assert len(spans) == 2


def test_process_dependent_resource_attributes_are_the_child_s(server: OtlpServer, tmp_path: Path) -> None:
    """With the process detector the child's spans carry its own pid."""
    program = """
span("parent")
if not os.fork():
    span(f"child {os.getpid()}")
    sys.exit()
os.wait()
"""
    done = ended(program, environment(server, tmp_path, OTEL_EXPERIMENTAL_RESOURCE_DETECTORS="process"))
    assert (done.returncode, done.stderr) == (0, "")
    pids = {
        span.name: [pair.value.int_value for pair in resource.attributes if pair.key == "process.pid"]
        for resource, scope in server.scopes("traces")
        for span in scope.spans
    }
    (child,) = [name for name in pids if name.startswith("child")]
    assert pids[child] == [int(child.split()[1])]
    assert pids["parent"] != pids[child]


def test_a_user_s_instance_id_is_kept(server: OtlpServer, tmp_path: Path) -> None:
    """Set by the user it is nobody's else to change, in a child neither."""
    program = """
span("parent")
if not os.fork():
    span("child")
    sys.exit()
os.wait()
"""
    environ = environment(server, tmp_path, OTEL_RESOURCE_ATTRIBUTES="service.instance.id=mine")
    assert ended(program, environ).returncode == 0
    assert {name: sorted(spans) for name, spans in by_instance(server, "traces", "spans").items()} == {
        "mine": ["child", "parent"]
    }


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_forks_under_load_do_not_deadlock(tmp_path: Path, protocol: str) -> None:
    """Whatever lock another thread held at the fork, and in the middle of exports: every child emits, flushes, ends."""
    program = """
going = True
def load():
    while going:
        span("load")
        orders.add(1)
        time.sleep(0)
def scrape():
    while going:
        pipeline.meter_provider.force_flush()
threads = [threading.Thread(target=target) for target in (load, load, scrape)]
for thread in threads:
    thread.start()
codes = []
for _ in range(25):
    child = os.fork()
    if not child:
        span("child")
        os._exit(0 if pipeline.worker.flush(5000) else 3)
    signal.alarm(20)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
going = False
for thread in threads:
    thread.join()
print(codes)
"""
    receiver: Receiver = GrpcServer() if protocol == "grpc" else OtlpServer()
    with receiver.running() as server:
        environ = environment(server, tmp_path, OTEL_EXPORTER_OTLP_PROTOCOL=protocol, OTEL_BSP_SCHEDULE_DELAY="1")
        done = ended(program, environ, timeout=120)
        assert (done.returncode, done.stdout.strip()) == (0, str([0] * 25)), done.stderr
        assert sum(names.count("child") for names in by_instance(server, "traces", "spans").values()) == 25
    assert done.stderr == ""


def test_a_fork_in_the_middle_of_an_export(server: OtlpServer, tmp_path: Path) -> None:
    """The parent waits for an answer that does not come; its children send what is theirs, and nothing of hers."""
    server.replies = [Reply(hang=True), Reply()]
    program = """
sender = pipeline.worker.outputs.spans[0].sender
span("parent")
while not sender._busy:
    time.sleep(0.01)
def child(number):
    span(f"child {number}")
    orders.add(1)
    os._exit(0)
for number in range(20):
    if not os.fork():
        child(number)
    signal.alarm(20)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = ended(program, environment(server, tmp_path, OTEL_METRIC_EXPORT_INTERVAL="60000"), timeout=60)
    assert (done.returncode, done.stderr) == (-9, "")
    sent = [span.name for span in server.spans()]
    assert sorted(sent) == sorted(["parent", *(f"child {number}" for number in range(20))])
    counted = [point.as_int for metric in server.metrics("orders") for point in metric.sum.data_points]
    assert counted == [0, 1] * 20
