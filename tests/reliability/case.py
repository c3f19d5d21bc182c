"""What a case is: a command, how it is kept busy, how it ends, and what it says then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from signal import Signals

import pytest
from _pytest.mark import ParameterSet

ITEMS = 1000
"""At the least, of each case."""
_WORDS = {"{web}": "tests.reliability.app.web:app", "{script}": "python -m tests.reliability.app.script"}


@dataclass(frozen=True)
class Load:
    """Who asks for items: clients, one for each of these paths, or a publisher of tasks."""

    paths: tuple[str, ...] = ()
    rate: float = 0.0
    """Requests per second, from one process, whether or not those before are answered; 0: as fast as they are."""
    tasks: Mapping[str, float] | None = None
    """The arguments of each."""
    counter: str = ""
    """The counter that is derived from the items' spans."""


_ITEM = "/items/{item}"
_REQUESTS_COUNTED = f'http_server_request_duration_seconds_count{{http_route="{_ITEM}"}}'
NONE = Load()
REQUESTS = Load((_ITEM,) * 4, counter=_REQUESTS_COUNTED)
STEADY = Load((_ITEM,), rate=200.0, counter=_REQUESTS_COUNTED)
ENDLESS = Load((_ITEM, _ITEM, f"{_ITEM}?seconds=600", f"{_ITEM}?seconds=600"), counter=_REQUESTS_COUNTED)
LEAVING = Load((_ITEM, _ITEM, _ITEM, "/leave"), counter=_REQUESTS_COUNTED)
TASKS = Load(tasks={}, counter="celery_task_runs_total{}")
GROWING = Load(tasks={"keep": 100_000}, counter="celery_task_runs_total{}")


@dataclass(frozen=True)
class Case:
    """One way of ending; `command` is what stands behind `opentelemetry-instrument`."""

    name: str
    command: str
    load: Load = NONE
    end: Signals | None = None
    """Sent to the main process at a random moment; None: it ends by itself."""
    codes: tuple[int, ...] = (0,)
    """The exit codes that the main process may have, with us as without."""
    group: bool = False
    """The signal goes to the main process and all below it, as Ctrl-C does."""
    supervised: bool = False
    """The main process only watches others: it is no instance of the service."""
    reloads: int = 0
    """So many times a source file changes meanwhile."""
    processes: int = 1
    """So many at the least do items: workers were recycled, or there were several."""
    items: int = ITEMS
    """So many at the least are done before the end comes."""
    idle: bool = False
    """The signal comes when there is nothing left to do."""
    late_metrics: float = 0.0
    """Seconds of counts that may be lost besides, where the end is SIGKILL."""
    grpc: bool = False
    """OTLP goes by gRPC."""
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The name, as part of a service's name."""
        return "".join(sign if sign.isalnum() else "-" for sign in self.name.lower())

    def arguments(self, port: int, folder: str) -> list[str]:
        """The command's words."""
        text = self.command
        for word, value in (_WORDS | {"{port}": str(port), "{items}": str(ITEMS), "{folder}": folder}).items():
            text = text.replace(word, value)
        return text.split()


def short(case: Case) -> ParameterSet:
    """A parameter for pytest."""
    return pytest.param(case, id=case.name)


def long(case: Case) -> ParameterSet:
    """A parameter for pytest, of a test that CI leaves out."""
    return pytest.param(case, id=case.name, marks=pytest.mark.reliability)
