"""Forks at random moments, while a server holds an export of the parent's open until the child's has come."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.exporter.grpc_server import GrpcServer
from tests.exporter.server import OtlpServer, Received, Receiver
from tests.pipeline.program import ended, environment

pytestmark = pytest.mark.integration

CHILDREN = 12
PROGRAM = """
import random
moment, children = random.Random(os.environ["SEED"]), int(os.environ["CHILDREN"])
sender = pipeline.worker.outputs.spans[0].sender
over = threading.Event()

def load(name):
    number = 0
    while not over.wait(0.001):
        span(f"parent {name} {number}")
        orders.add(1)
        number += 1
    made.append(number)

made, held = [], 0
threads = [threading.Thread(target=load, args=(name,)) for name in "ab"]
for thread in threads:
    thread.start()
for number in range(children):
    signal.alarm(60)
    anywhere = moment.random() < 0.5
    until = time.monotonic() + moment.random() / 100
    while time.monotonic() < until if anywhere else not sender._busy:
        time.sleep(0)
    held += sender._busy
    child = os.fork()
    if not child:
        signal.alarm(60)
        orders.add(1)
        span(f"child {number}")
        (os._exit if number % 2 else sys.exit)(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == 0, (number, code)
over.set()
for thread in threads:
    thread.join()
print(held, *made)
"""


class Holding:
    """Answers to the parent come after a child's next export: the parent is nearly always in the middle of one."""

    def __init__(self, server: Receiver) -> None:
        self._take = server.take
        self._changed = threading.Condition()
        self._came = 0
        server.take = self.take  # type: ignore[method-assign]

    def take(self, received: Received, *rest: Any) -> Any:
        """Hold what is the parent's."""
        reply = self._take(received, *rest)
        with self._changed:
            if b"child " in received.payload:
                self._came += 1
                self._changed.notify_all()
            elif b"parent " in received.payload:
                came = self._came
                self._changed.wait_for(lambda: self._came > came or self._came == CHILDREN, 60)
        return reply


def counts(server: Receiver) -> list[int]:
    """The last value of the counter in each process: a child takes the slot of one before it, but begins later."""
    last: dict[int, int] = {}
    for metric in server.metrics("orders"):
        for point in metric.sum.data_points:
            last[point.start_time_unix_nano] = max(point.as_int, last.get(point.start_time_unix_nano, 0))
    return sorted(last.values())


@pytest.mark.parametrize(("seed", "protocol"), [(1, "http/protobuf"), (2, "http/protobuf"), (3, "grpc")])
def test_parent_and_child_deliver_each_their_own_once(tmp_path: Path, seed: int, protocol: str) -> None:
    """No child waits for the parent's export, none repeats it, and the parent's goes on behind the fork."""
    receiver: Receiver = GrpcServer() if protocol == "grpc" else OtlpServer()
    Holding(receiver)
    with receiver.running() as server:
        more = {
            "SEED": str(seed),
            "CHILDREN": str(CHILDREN),
            "OTEL_DISTRO_SHUTDOWN_TIMEOUT": "30",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "60",
        }
        quick = {"OTEL_BSP_SCHEDULE_DELAY": "1", "OTEL_METRIC_EXPORT_INTERVAL": "60000"}
        done = ended(PROGRAM, environment(server, tmp_path, OTEL_EXPORTER_OTLP_PROTOCOL=protocol, **more, **quick), 120)
        assert done.returncode == 0, done.stderr
        held, *made = map(int, done.stdout.split())
        came = Counter(span.name for span in server.spans())
        assert set(came.values()) == {1}
        assert sum(name.startswith("child ") for name in came) == CHILDREN
        assert sum(name.startswith("parent ") for name in came) == sum(made)
        assert counts(server) == [*[1] * CHILDREN, sum(made)]
    assert held >= 1
