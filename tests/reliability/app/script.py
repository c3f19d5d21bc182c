"""Scripts that do their items and end, each in a way of its own: `script.py WAY COUNT`."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from opentelemetry import metrics

from tests.reliability.app.item import batch, produce

PROCESSES = 4


def returns(count: int) -> None:
    """Come to the end."""
    batch(count)


def tells(count: int) -> None:
    """Say when the end comes."""
    batch(count)
    sys.stdout.write(f"told {time.time()}\n")
    sys.stdout.flush()


def exits(count: int) -> None:
    """Exit with a code."""
    batch(count)
    sys.exit(3)


def raises(count: int) -> None:
    """Fail."""
    batch(count)
    message = "nobody catches this"
    raise RuntimeError(message)


def leaves(count: int) -> None:
    """End without the interpreter's own end."""
    batch(count)
    os._exit(4)


def waits(count: int) -> None:
    """Do items until a signal comes, more than asked for."""
    batch(count)
    number = 0
    while True:
        batch(1, f"more.{number}")
        number += 1


def handles(count: int) -> None:
    """Handle SIGTERM itself, with an exit code of its own."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
    waits(count)


def forks(count: int) -> None:
    """Workers by `os.fork`, which end by `os._exit`; the parent does items, too, all the while."""
    own = threading.Thread(target=batch, args=(count // (PROCESSES + 1),))
    own.start()
    children = [_forked(partial(batch, count // (PROCESSES + 1))) for _ in range(PROCESSES)]
    own.join()
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0] * PROCESSES, codes


def storm(count: int) -> None:
    """Children by the hundreds, while threads do items: each fourth does one, too, the others end at once."""
    over = threading.Event()

    def load(name: str) -> None:
        number = 0
        while not over.wait(0.005):
            produce(f"{name}.{number}")
            metrics.get_meter("reliability").create_counter(f"unused.{number % 50}")
            number += 1

    threads = [threading.Thread(target=load, args=(f"load.{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for number in range(count):
        child = _forked(partial(_child, number))
        signal.alarm(20)  # a child that does not end ends us
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code == 0, code
    signal.alarm(0)
    over.set()
    for thread in threads:
        thread.join()


def _child(number: int) -> None:
    signal.alarm(20)
    if not number % 4:
        metrics.get_meter("reliability").create_counter(f"child.{number % 50}")
        produce(f"child.{number}")


def _forked(run: Callable[[], None]) -> int:
    child = os.fork()
    if not child:
        run()
        os._exit(0)
    return child


def children(method: str, count: int) -> None:
    """A process pool, and a process alone."""
    context = multiprocessing.get_context(method)
    alone = context.Process(target=batch, args=(count // PROCESSES, "alone"))
    alone.start()
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        list(pool.map(partial(batch, count // PROCESSES), [f"pool.{number}" for number in range(PROCESSES)]))
    alone.join()
    assert alone.exitcode == 0, alone.exitcode


def terminated(method: str, count: int) -> None:
    """A pool whose workers are ended by SIGTERM when all is done."""
    with multiprocessing.get_context(method).Pool(2) as pool:
        pool.map(partial(batch, count // PROCESSES), [f"pool.{number}" for number in range(PROCESSES)], 1)
        time.sleep(0)


WAYS: dict[str, Callable[[int], None]] = {
    "returns": returns,
    "tells": tells,
    "exits": exits,
    "raises": raises,
    "leaves": leaves,
    "waits": waits,
    "handles": handles,
    "forks": forks,
    "storm": storm,
    **{f"children-{method}": partial(children, method) for method in ("fork", "spawn", "forkserver")},
    "pool-fork": partial(terminated, "fork"),
}

if __name__ == "__main__":
    WAYS[sys.argv[1]](int(sys.argv[2]))
