"""One run of a case: start, keep busy, end at a random moment, wait, compare."""

from __future__ import annotations

import os
import random
import re
import signal
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from subprocess import TimeoutExpired
from typing import NamedTuple

from tests.e2e.server import ROOT, Server, answers, free_ports
from tests.e2e.waiting import wait_for
from tests.instrumented import environment
from tests.reliability.app.naming import BROKER_VARIABLE, COUNTER_IN_PROMETHEUS, JOURNAL_VARIABLE, QUEUE_VARIABLE
from tests.reliability.case import ITEMS, Case
from tests.reliability.ledger import Ledger, Outcome
from tests.reliability.load import Clients, Steady, publish
from tests.reliability.station import Station

_PROGRAMS = Path(sys.executable).parent
_SPREAD = 200
_PUBLISHED = ITEMS + 2 * _SPREAD
_TIMEOUT = 120.0
_BATCH_SECONDS = 2.0
"""A batch waits for a second at the most; then it has to be sent, on a machine that is busy."""
_WORKER = re.compile(r"(?:Booting worker with pid: |Started server process \[)(\d+)")
"""A server's line about itself in a worker."""


class Venue(NamedTuple):
    """Where a trial takes place: its servers, a folder of its own, and what its random moments come from."""

    station: Station
    broker: str
    folder: Path
    seed: int
    rows: list[Outcome]
    """The outcomes of this run."""


class Trial:
    """A case under way; `meanwhile` is called under load, before the end."""

    def __init__(
        self, case: Case, venue: Venue, meanwhile: Callable[[Trial], None] | None = None, *, bare: bool = False
    ) -> None:
        self.case = case
        self.service = f"{case.slug}-{uuid.uuid4().hex[:8]}"
        self.station, self._broker, folder = venue[:3]
        self._meanwhile = meanwhile
        self._random = random.Random(f"{case.name} {venue.seed}")
        self.ledger = Ledger(folder / "journal")
        self.ending = 0.0
        """Seconds from the end's signal to the end."""
        self.ended_at = 0.0
        self.outcome = Outcome(case.name, self.ledger)
        if not bare:
            venue.rows.append(self.outcome)
        self._source = folder / "source.py"
        self._source.touch()
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self.clients = Steady(port, case.load, folder) if case.load.rate else Clients(port, case.load)
        command = [] if bare else [_PROGRAMS / "opentelemetry-instrument"]
        command += case.arguments(port, str(folder))
        self.server = Server(command, folder, self._is_ready(), self._environment(folder), working_folder=folder)

    def _environment(self, folder: Path) -> dict[str, str]:
        own = {
            "PATH": f"{_PROGRAMS}:{environment()['PATH']}",
            "PYTHONPATH": str(ROOT),
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.station.grpc_endpoint if self.case.grpc else self.station.endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc" if self.case.grpc else "http/protobuf",
            "OTEL_SERVICE_NAME": self.service,
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
            "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "process",
            "OTEL_DISTRO_CACHE_DIR": str(folder / "cache"),
            JOURNAL_VARIABLE: str(self.ledger.file),
            BROKER_VARIABLE: self._broker,
            QUEUE_VARIABLE: self.service,
        }
        return environment(**(own | self.case.environment))

    def _is_ready(self) -> Callable[[], bool]:
        if self.case.load.paths:
            return lambda: answers(f"{self.url}/health")
        return lambda: self.case.load.tasks is None or " ready." in self.server.text

    def run(self) -> None:
        """Do all of it."""
        self.end()
        self.compare()

    def end(self) -> None:
        """Do what needs no telemetry: the processes' beginning, work and end, with their exit code."""
        self.server.start()
        try:
            with self._load():
                self._end()
        finally:
            self.server.stop(signal.SIGKILL)
        processes = self.ledger.read().processes
        wait_for(
            lambda: not any(map(self._is_alive, processes)),
            lambda: f"the end of {[*filter(self._is_alive, processes)]}",
        )
        self.ledger.read()

    def _is_alive(self, process: int) -> bool:
        """Its number may be another process's by now, which knows nothing of the journal; a zombie knows nothing."""
        try:
            return str(self.ledger.file).encode() in Path(f"/proc/{process}/environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return False

    def _load(self) -> AbstractContextManager[None]:
        if self.case.load.tasks is not None:
            publish(self._broker, self.service, _PUBLISHED, **self.case.load.tasks)
        return self.clients.running()

    def _end(self) -> None:
        count = _PUBLISHED if self.case.idle else self.case.items + self._random.randrange(_SPREAD)
        for reload in range(self.case.reloads):
            self.wait_for_items(count * (reload + 1) // (self.case.reloads + 1))
            self._source.write_text(f"# {reload}\n")
        if self._meanwhile is not None:
            self._meanwhile(self)
        if self.case.end is not None:
            self.wait_for_items(count)
            main = self.server.process.pid
            for process in [main, *(_below(main) if self.case.group else ())]:
                os.kill(process, self.case.end)
            if self.case.end is signal.SIGKILL:
                self.outcome.until = time.time() - _BATCH_SECONDS
        began = time.time()
        code = self._exit_code()
        self.ended_at = time.time()
        self.ending = self.ended_at - began
        assert code in self.case.codes, f"ended with {code}, not {self.case.codes}:\n{self.server.text[-3000:]}"

    def _exit_code(self) -> int | None:
        """Wait for it as long as items are done meanwhile; None: nothing happens any more."""
        code, done = None, -1
        while code is None and len(self.ledger.read().done) > done:
            done = len(self.ledger.done)
            with suppress(TimeoutExpired):
                code = self.server.process.wait(_TIMEOUT)
        return code

    def wait_for_items(self, count: int, timeout: float = _TIMEOUT) -> None:
        """Wait until so many are done."""

        def enough() -> bool:
            assert self.server.process.poll() is None, f"ended too early:\n{self.server.text[-3000:]}"
            return len(self.ledger.read().done) >= count

        wait_for(enough, lambda: f"{count} items, have {len(self.ledger.done)}", timeout)

    def succeed(self) -> None:
        """Start the same program again, with one item to do, until all that its predecessor did has arrived."""
        self.server.start()
        try:
            assert answers(f"{self.url}/items/last")
            self.wait_for_arrival()
            self.server.process.send_signal(signal.SIGTERM)
            self.server.process.wait(_TIMEOUT)
        finally:
            self.server.stop(signal.SIGKILL)
        self.ledger.read()

    def wait_for_arrival(self, timeout: float = 60.0) -> None:
        """Wait until the spans and lines of all that is done by now, and can't be lost, have arrived."""
        service, done = self.station.arrivals.of(self.service), self.outcome.promised

        def missing() -> int:
            self.station.arrivals.read()
            return len(done - service.spans.keys()) + len(done - service.lines.keys())

        wait_for(lambda: not missing(), lambda: f"{missing()} spans and lines of {len(done)} items", timeout)

    def compare(self) -> None:
        """Compare what arrived until now with the journal."""
        self.station.settle()
        service, outcome = self.station.arrivals.of(self.service), self.outcome
        if outcome.sent < ITEMS:
            outcome.problems.append(f"only {outcome.sent} items were done:\n{self.server.text[-3000:]}")
        if len(self.ledger.workers) < self.case.processes:
            outcome.problems.append(f"only {len(self.ledger.workers)} processes did items")
        outcome.compare_items(service, derived=bool(self.case.load.counter))
        for counter in (f"{COUNTER_IN_PROMETHEUS}{{}}", self.case.load.counter):
            if counter:
                outcome.compare_count(counter, self.station.counted(counter, self.service), self.case.late_metrics)
        if self.case.load.tasks is not None and self.server.process.pid not in service.processes:
            outcome.problems.append("nothing from the main process")
        known = self.ledger.processes | {int(process) for process in _WORKER.findall(self.server.text)}
        known |= set() if self.case.supervised else {self.server.process.pid}
        ghosts = (service.processes | self.station.processes(self.service)) - known
        if ghosts:
            outcome.problems.append(f"ghosts: {len(ghosts)} processes besides {len(known)} that are known")


def _below(process: int) -> list[int]:
    """The process's children, and theirs."""
    children = [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return [*children, *(below for child in children for below in _below(child))]
