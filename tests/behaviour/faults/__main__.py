"""The reference app in a process of its own: `plain` says what each step gives; `inject` does it with each fault."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from time import monotonic
from types import CodeType
from typing import Any

from otel_distro.record import HANDOVER
from tests.behaviour.faults.exempt import STANDS_IN
from tests.behaviour.faults.injection import Functions, InjectedError, Recorder, is_bare
from tests.behaviour.faults.memory import Memory
from tests.behaviour.faults.steps import STEPS, Served

_GUARD = "otel_distro.guard:"
_TASKS = {name for name in STEPS if name.endswith("task")}


def plain() -> dict[str, str]:
    """What is seen of each step without us."""
    with Served() as served:
        for name in STEPS:  # the first time some things are made that later ones find
            served.run(name)
        return {name: served.run(name) for name in STEPS}


class Faults:
    """Faults in each function of ours that runs within the app, one after the other."""

    def __init__(self, expected: dict[str, str]) -> None:
        self._expected = expected
        self._recorder = Recorder()

    def inject(self, only: str) -> Iterator[dict[str, Any]]:
        """Where a fault was put, how often it came up, and what was seen of it; first and last: of none."""
        recorder = self._recorder
        recorder.start()
        with Served() as served:
            for _ in range(2):
                recorder.begin_round()
                for name in STEPS:
                    recorder.step = name
                    served.run(name)
            recorder.stop()
            yield self._without_fault(served, "before")
            gc.unfreeze()
            functions, memory = Functions(), Memory()
            for place, code in self._places(functions):
                if only in place:
                    memory.forget()
                    yield {"place": place, **self._with_fault(served, functions, place, code)}
            memory.forget()
            yield self._without_fault(served, "after")

    def _places(self, functions: Functions) -> list[tuple[str, CodeType]]:
        """Everywhere but in the guard itself, and in what does nothing that could fail."""
        recorder = self._recorder
        named = ((f"{recorder.modules[code]}:{functions.name(code)}", code) for code in recorder.ways)
        able = ((place, code) for place, code in named if not place.startswith(_GUARD) and not is_bare(code))
        return sorted(able, key=itemgetter(0))

    def _with_fault(self, served: Served, functions: Functions, place: str, code: CodeType) -> dict[str, Any]:
        differs, before, steps = {}, InjectedError.count, self._recorder.steps(code)
        if place not in STANDS_IN:
            with functions.failing(code):
                differs = self._difference(served, steps)
        if differs and steps & _TASKS:
            served.renew()
        entered = code in self._recorder.entered
        return {"entered": entered, "raised": InjectedError.count - before, "differs": differs}

    def _without_fault(self, served: Served, place: str) -> dict[str, Any]:
        sink: Any = HANDOVER.sink
        self._difference(served, set(STEPS))  # what a fault's last step ends late is not counted as this one's
        sink.settle(monotonic() + 10)
        before = dict(sink.taken)
        differs = self._difference(served, set(STEPS))
        sink.settle(monotonic() + 10)
        taken = {signal: sink.taken[signal] - before[signal] for signal in ("traces", "logs")}
        return {"place": place, "differs": differs, "taken": taken}

    def _difference(self, served: Served, names: set[str]) -> dict[str, str]:
        """The first step of these that gives anything else."""
        for name in STEPS:
            if name in names and (seen := served.run(name)) != self._expected[name]:
                return {name: seen}
        return {}


def main() -> None:
    """`plain FILE` or `inject FILE EXPECTED [ONLY]`: write what was found, as JSON."""
    kind, result, *rest = sys.argv[1:]
    with Path(result).open("w", encoding="utf-8") as file:
        if kind == "plain":
            json.dump(plain(), file)
            return
        faults = Faults(json.loads(Path(rest[0]).read_text("utf-8")))
        for found in faults.inject(rest[1] if len(rest) > 1 else ""):
            file.write(json.dumps(found) + "\n")
            file.flush()


if __name__ == "__main__":
    main()
