"""What nobody catches is recorded, once, and printed as before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.exporter.server import OtlpServer
from tests.instrumented import Outcome, instrumented

pytestmark = pytest.mark.integration

MAIN = "def sell():\n    raise LookupError('sold out')\nsell()\n"
THREAD = "import threading\ndef sell():\n    raise LookupError('sold out')\nthread = threading.Thread(target=sell)\n"
THREAD += "thread.start()\nthread.join()\n"
UNRAISABLE = "class Cart:\n    def __del__(self):\n        raise LookupError('sold out')\nCart()\n"
TASK = "import asyncio, gc\nasync def sell():\n    raise LookupError('sold out')\nasync def main():\n"
TASK += "    task = asyncio.create_task(sell())\n    await asyncio.sleep(0.01)\n    del task\n    gc.collect()\n"
TASK += "asyncio.run(main())\n"
OWN_HOOK = f"import sys\nsys.excepthook = lambda *found: print('the app: ' + str(found[1]))\n{MAIN}"


@pytest.fixture
def server() -> Iterator[OtlpServer]:
    """Takes what leaves."""
    with OtlpServer().running() as running:
        yield running


def errors(server: OtlpServer) -> list[dict[str, Any]]:
    """The attributes of records that are about an exception."""
    found = []
    for record in server.log_records():
        attributes = {pair.key: pair.value for pair in record.attributes}
        if "exception.type" in attributes:
            found.append(attributes)
    return found


def seen(outcome: Outcome) -> tuple[int, Counter[str]]:
    """Exit code and what was printed, without addresses and our paths."""
    return outcome.code, Counter(line for line in outcome.lines if "0x" not in line)


@pytest.mark.parametrize("script", [MAIN, THREAD, UNRAISABLE], ids=["main", "thread", "unraisable"])
def test_it_is_recorded_and_counted_once(server: OtlpServer, script: str) -> None:
    """One record with stack and fingerprint, unhandled; what Python prints, and the exit code, are as without us."""
    outcome = instrumented(script, server)
    (found,) = errors(server)
    assert found["exception.type"].string_value == "LookupError"
    assert "sold out" in found["exception.stacktrace"].string_value
    assert found["issue.handled"].bool_value is False
    points = [point for metric in server.metrics("errors") for point in metric.sum.data_points]
    assert sum(point.as_int or point.as_double for point in points) == 1
    assert seen(outcome) == seen(instrumented(script, OTEL_SDK_DISABLED="true"))


def test_an_asyncio_task_s_is_asyncio_s_line(server: OtlpServer) -> None:
    """Which asyncio logs when nobody has asked for it; unhandled, too."""
    instrumented(TASK, server)
    (found,) = errors(server)
    assert found["issue.handled"].bool_value is False


def test_a_hook_of_the_app_s_is_the_app_s(server: OtlpServer) -> None:
    """It runs as before; what it does not log is not recorded."""
    outcome = instrumented(OWN_HOOK, server)
    assert outcome.out == "the app: sold out\n"
    assert errors(server) == []


@pytest.mark.parametrize("end", ["raise SystemExit(3)", "raise KeyboardInterrupt"])
def test_an_end_is_no_error(server: OtlpServer, end: str) -> None:
    """What only ends the process is not recorded."""
    assert instrumented(end, server).code != 0
    assert errors(server) == []
